"""How Logs are inserted: by the gateway's writer and by imports alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Table, insert

from tuneloop.store.database import Database, clean
from tuneloop.store.schema import log_metadata, logs
from tuneloop.types import Log

#: rows in one statement; 21 columns each stay below SQLite's 32,766 and PostgreSQL's 65,535 parameters
GROUPS = (256, 64, 16, 4, 1)

Row = tuple[Any, ...]


class LogInsert:
    """INSERT statements of many rows each, handed to the driver as text.

    The driver lets go of Python's lock at each step of a statement and must win it back from a busy event loop, so
    one statement of 16 rows is far cheaper than 16 executions of one row.
    """

    def __init__(self, database: Database) -> None:
        self._log_columns = tuple(column.name for column in logs.columns)
        self._texts = {
            (table.name, rows): _insert_text(database, table, rows) for table in (logs, log_metadata) for rows in GROUPS
        }

    def __call__(self, connection: Connection, many: Sequence[Log]) -> None:
        """Insert logs and their metadata within the caller's transaction."""
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
    cleaned = {clean(key): clean(value) for key, value in log.metadata.items()}
    return [(log.id, key, value) for key, value in cleaned.items()]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return orjson.dumps({clean(key): clean(item) for key, item in value.items()}).decode()
    return value
