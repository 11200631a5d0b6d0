"""Writes Logs with group commit: whatever is waiting goes into one transaction, and its callers wake together."""

from __future__ import annotations

import asyncio
import queue
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError

from tuneloop.errors import Unavailable
from tuneloop.store.database import Database
from tuneloop.store.schema import log_metadata, logs
from tuneloop.types import Log

#: rows in one transaction at most, so that a flood does not make the first in line wait for the last
MOST_ROWS = 1000
#: rows in one statement; 21 columns each stay below SQLite's 32,766 and PostgreSQL's 65,535 parameters
GROUPS = (256, 64, 16, 4, 1)
#: what a single row is refused for; anything else is the database's trouble and concerns the whole batch
REFUSED = (DataError, IntegrityError, InterfaceError, OverflowError)

#: PostgreSQL takes no NUL, and UTF-8 has no lone surrogates
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")

Row = tuple[Any, ...]


class _Entry(NamedTuple):
    log: Log
    future: asyncio.Future[None]


class LogWriter:
    """Keeps Logs in a Database. One thread writes; any event loop may call `record`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._statements = _Statements(database)
        self._pending: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    async def record(self, log: Log) -> None:
        """Return when `log` is committed. Raises what the database says if it is not."""
        if self._closed:
            raise Unavailable("the log is closed: the server is shutting down")
        entry = _Entry(log, asyncio.get_running_loop().create_future())
        self._pending.put(entry)
        await entry.future

    def record_many(self, many: Sequence[Log]) -> None:
        """Commit all of `many` in one transaction, or none and raise."""
        with self._database.write() as connection:
            self._statements.insert(connection, many)

    def close(self) -> None:
        """Write what is waiting, then stop."""
        if not self._closed:
            self._closed = True
            self._pending.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (first := self._pending.get()) is not None:
            batch, last = self._drain(first)
            self._commit(batch)
            if last:
                return

    def _drain(self, first: _Entry) -> tuple[list[_Entry], bool]:
        batch = [first]
        while len(batch) < MOST_ROWS:
            try:
                entry = self._pending.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                return batch, True
            batch.append(entry)
        return batch, False

    def _commit(self, batch: Sequence[_Entry]) -> None:
        try:
            self.record_many([entry.log for entry in batch])
        except REFUSED as error:
            if len(batch) == 1:
                _wake(batch, error)
            else:  # one of them is at fault: find out which, and save the others
                for entry in batch:
                    self._commit([entry])
        except Exception as error:
            _wake(batch, error)
        else:
            _wake(batch, None)


def _wake(batch: Sequence[_Entry], error: Exception | None) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for entry in batch:
        loops.setdefault(entry.future.get_loop(), []).append(entry.future)
    for loop, futures in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, futures, error)
        except RuntimeError:
            continue  # that loop has ended, and with it whoever waited


def _resolve(futures: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class _Statements:
    """INSERT statements of many rows each, handed to the driver as text.

    The driver lets go of Python's lock at each step of a statement and must win it back from a busy event loop, so
    one statement of 16 rows is far cheaper than 16 executions of one row.
    """

    def __init__(self, database: Database) -> None:
        self._log_columns = tuple(column.name for column in logs.columns)
        self._texts = {
            (table.name, rows): _insert_text(database, table, rows) for table in (logs, log_metadata) for rows in GROUPS
        }

    def insert(self, connection: Connection, many: Sequence[Log]) -> None:
        self._insert(connection, logs, [self._row(log) for log in many])
        self._insert(connection, log_metadata, [row for log in many for row in _metadata_rows(log)])

    def _insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> None:
        start = 0
        while start < len(rows):
            size = next(group for group in GROUPS if group <= len(rows) - start)
            parameters = tuple(value for row in rows[start : start + size] for value in row)
            connection.exec_driver_sql(self._texts[table.name, size], parameters)
            start += size

    def _row(self, log: Log) -> Row:
        return tuple(_cleaned(getattr(log, name)) for name in self._log_columns)


def _insert_text(database: Database, table: Table, rows: int) -> str:
    one = str(insert(table).compile(dialect=database.engine.dialect))
    head, _, values = one.partition(" VALUES ")
    marker = "?" if database.dialect == "sqlite" else "%s"
    group = f"({', '.join([marker] * len(table.columns))})"
    assert values
    return f"{head} VALUES {', '.join([group] * rows)}"


def _metadata_rows(log: Log) -> list[Row]:
    # Two keys may become one when cleaned; the last wins, as in JSON.
    cleaned = {_clean(key): _clean(value) for key, value in log.metadata.items()}
    return [(log.id, key, value) for key, value in cleaned.items()]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return orjson.dumps({_clean(key): _clean(item) for key, item in value.items()}).decode()
    return value


def _clean(text: str) -> str:
    """Text that both databases take."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNWRITABLE.sub("\ufffd", text)
