"""This machine: what it has, what of it is used, what it costs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
from nicegui import background_tasks
from sqlalchemy.engine import make_url

from tuneloop import __version__
from tuneloop.ui import parts
from tuneloop.ui.here import Here

_GB = 1e9


async def show(here: Here) -> None:
    """Fill the part."""
    known = here.loop.settings
    parts.heading(
        "This machine", "What serving and tuning may use here. Variables of the environment set it at the start."
    )
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(known.home)
    with parts.grid():
        cores = os.cpu_count() or 1
        parts.figure("Threads", str(known.threads or cores), f"of {cores} cores" if known.threads else "every core")
        parts.figure("Memory", f"{memory.available / _GB:,.1f} GB", f"free of {memory.total / _GB:,.1f} GB")
        parts.figure("Disk", f"{disk.free / _GB:,.0f} GB", "free where the data is")
        hour = known.dollars_per_hour
        parts.figure(
            "An hour", "-" if hour is None else f"${hour:,.2f}", "not set" if hour is None else "as in settings.toml"
        )
    with parts.card(), parts.tag("dl"):
        for name, value in _facts(here):
            parts.text("dt", name)
            parts.text("dd", value)
        parts.text("dt", "Data takes")
        size = parts.text("dd", "counting ...")

    async def count() -> None:
        size.set_text(_sizes(await here.do(sizes, known.home)))

    background_tasks.create(count())


def _facts(here: Here) -> list[tuple[str, str]]:
    known = here.loop.settings
    return [
        ("Tuneloop", __version__),
        ("Address", here.loop.url or "-"),
        ("Data in", str(known.home)),
        ("Database", make_url(known.database_url).render_as_string(hide_password=True)),
        ("Base model", known.base_model),
        ("Models in memory", f"at most {known.engines}"),
        ("Calls at once", f"{known.slots} for each model"),
        ("Context", f"{known.context:,} tokens"),
        ("Calls a minute", f"{known.rate_limit:,} for each key" if known.rate_limit else "no limit"),
    ]


def sizes(home: Path) -> dict[str, int]:
    """Bytes of each folder in the home, and of the files beside them."""
    found: dict[str, int] = {}
    for folder, _, names in os.walk(home):
        part = Path(folder).relative_to(home).parts
        for name in names:
            try:
                size = (Path(folder) / name).stat(follow_symlinks=False).st_size
            except OSError:
                continue  # gone since it was listed
            kind = part[0] if part else "calls and scores"
            found[kind] = found.get(kind, 0) + size
    return found


def _sizes(found: dict[str, int]) -> str:
    total = sum(found.values())
    largest = sorted(found.items(), key=lambda one: -one[1])[:4]
    return f"{_size(total)}: {', '.join(f'{name} {_size(size)}' for name, size in largest)}" if found else "nothing yet"


def _size(count: int) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} B"
