"""A PostgreSQL server of the tests' own, from the binaries on this machine."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, make_url, text


def new_database(server_url: str) -> str:
    """The URL of an empty database on a server."""
    url = make_url(server_url).set(drivername="postgresql+psycopg")
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)


def binaries() -> Path | None:
    """The folder with initdb and postgres, or None."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin")) + [
        str(Path(p).parent) for p in [shutil.which("initdb")] if p
    ]
    return next((Path(folder) for folder in folders if (Path(folder) / "postgres").exists()), None)


@contextmanager
def server(bin_folder: Path) -> Iterator[str]:
    """A fresh cluster that listens on a socket in its own folder only; yields the URL of its database."""
    folder = Path(tempfile.mkdtemp(prefix="tuneloop-pg-"))
    # PostgreSQL refuses to run as root, so root hands the cluster to the user the Debian package made.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    run = {"cwd": folder, "check": True, "capture_output": True, "user": user if os.geteuid() == 0 else None}
    data = folder / "data"
    subprocess.run([bin_folder / "initdb", "-D", data, "-U", "tuneloop", "-A", "trust", "--no-sync"], **run)  # type: ignore[call-overload]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [bin_folder / "pg_ctl", "-D", data, "-w", "-l", folder / "log"]
    subprocess.run([*control, "-o", options, "start"], **run)  # type: ignore[call-overload]
    try:
        yield f"postgresql://tuneloop@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
