"""Writes Logs with group commit: whatever is waiting goes into one transaction, and its callers wake together."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.exc import DataError, IntegrityError, InterfaceError

from tuneloop.errors import Unavailable
from tuneloop.store.database import Database
from tuneloop.store.log_insert import LogInsert
from tuneloop.types import Log

#: rows in one transaction at most, so that a flood does not make the first in line wait for the last
MOST_ROWS = 1000
#: what a single row is refused for; anything else is the database's trouble and concerns the whole batch
REFUSED = (DataError, IntegrityError, InterfaceError, OverflowError)


class _Entry(NamedTuple):
    log: Log
    future: asyncio.Future[None]


class LogWriter:
    """Keeps Logs in a Database. One thread writes; any event loop may call `record`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = LogInsert(database)
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
            self._insert(connection, many)

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
