"""A database and its two ways in: `read()` and `write()`. SQLite and PostgreSQL differ only in this file."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.exc import ArgumentError, DBAPIError

from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.store.migrations import migrate

TextT = TypeVar("TextT", str, None)

#: how long a connection to SQLite waits for another's lock
_LOCK_SECONDS = 60


#: PostgreSQL takes no NUL, and UTF-8 has no lone surrogates
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def clean(text: TextT) -> TextT:
    """Text that both databases take."""
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return _UNWRITABLE.sub("\ufffd", text)


class Database:
    """Connections to one database, migrated when opened. Threads may share it."""

    def __init__(self, url: str) -> None:
        self.url = _parse(url)
        self.dialect = self.url.get_backend_name()
        self.engine = _sqlite_engine(self.url) if self.dialect == "sqlite" else _postgres_engine(self.url)
        try:
            if self.dialect == "sqlite" and self.url.database not in (None, "", ":memory:"):
                Path(self.url.database or "").parent.mkdir(parents=True, exist_ok=True)
            with self.write() as connection:
                migrate(connection)
        except (DBAPIError, OSError) as error:
            shown = self.url.render_as_string(hide_password=True)
            raise Unavailable(f"cannot open the database {shown}: {getattr(error, 'orig', error)}") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection whose reads see one state of the database."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed when the block ends well and undone when it raises."""
        with self.engine.connect() as plain:
            connection = plain.execution_options(tuneloop_write=True)
            with connection.begin():
                yield connection

    def lock(self, connection: Connection, name: str) -> None:
        """Keep out whoever else locks this name until the transaction ends. Only writers may lock."""
        if self.dialect == "postgresql":  # SQLite has one writer at a time anyway
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(name))))

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows, leaving alone those whose key is there already; returns how many were new."""
        if not rows:
            return 0
        insert = sqlite.insert if self.dialect == "sqlite" else postgresql.insert
        statement = insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        return connection.execute(statement, list(rows)).rowcount

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(
            f"TUNELOOP_DATABASE_URL {url!r} is not a database URL; write sqlite:///FILE or "
            "postgresql://user:password@host/database",
            param="TUNELOOP_DATABASE_URL",
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise InvalidInput(
        f"TUNELOOP_DATABASE_URL names {backend!r}; SQLite and PostgreSQL are supported", param="TUNELOOP_DATABASE_URL"
    )


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False})
    engine.dialect.statement_compiler = _SQLiteWords

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # We begin transactions ourselves: the driver's own begin would start writes as reads, which then fail
        # at once (instead of waiting) when somebody else has written in between.
        connection.isolation_level = None
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_LOCK_SECONDS * 1000}"):
            connection.execute(f"PRAGMA {pragma}")
        _write_ahead(connection)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        write = connection.get_execution_options().get("tuneloop_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


class _SQLiteWords(SQLiteCompiler):
    """SQLite's SQL with the hints (INDEXED BY) that SQLAlchemy leaves out."""

    def get_from_hint_text(self, table: Any, text: str | None) -> str | None:
        return text


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Of several processes that open a new file at once, one makes it write ahead; the others are told "locked" at
    # once, whatever their busy_timeout: each holds what the other waits for (sqlite.org/c3ref/busy_handler.html).
    last = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > last:
                raise
        time.sleep(0.01)


def _postgres_engine(url: URL) -> Engine:
    return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
