"""How Logs are inserted: by the gateway's writer and by imports alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Table, insert

from tuneloop.store.database import Database, clean
from tuneloop.store.keeping import terms, to_keep
from tuneloop.store.schema import log_metadata, logs, stored, stored_terms
from tuneloop.types import Log, Stored

#: rows in one statement; 28 columns each stay below SQLite's 32,766 and PostgreSQL's 65,535 parameters
GROUPS = (256, 64, 16, 4, 1)

Row = tuple[Any, ...]


class LogInsert:
    """INSERT statements of many rows each, handed to the driver as text.

    The driver lets go of Python's lock at each step of a statement and must win it back from a busy event loop, so
    one statement of 16 rows is far cheaper than 16 executions of one row. With `replace`, a row whose key is there
    already takes the new values; without, it is a database error.
    """

    def __init__(self, database: Database, *, replace: bool = False) -> None:
        self._log_columns = tuple(column.name for column in logs.columns)
        self._texts = {
            (table.name, rows): _insert_text(database, table, rows) + (_replacing(table) if replace else "")
            for table in (logs, log_metadata, stored, stored_terms)
            for rows in GROUPS
        }

    def __call__(self, connection: Connection, many: Sequence[Log]) -> None:
        """Insert logs, their metadata and what of them is to be kept within the caller's transaction."""
        self._insert(connection, logs, [self._row(log) for log in many])
        self._insert(connection, log_metadata, [row for log in many for row in _metadata_rows(log)])
        if keep := to_keep(many):
            self._keep(connection, keep)

    def _keep(self, connection: Connection, items: Sequence[Stored]) -> None:
        self._insert(connection, stored, [_stored_row(item) for item in items])
        self._insert(connection, stored_terms, [row for item in items for row in _term_rows(item)])

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


def _replacing(table: Table) -> str:
    key = [column.name for column in table.primary_key]
    quoted = [f'"{column.name}"' for column in table.columns if column.name not in key]
    return f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in quoted)}"


def _metadata_rows(log: Log) -> list[Row]:
    # Two keys may become one when cleaned; the last wins, as in JSON.
    cleaned = {clean(key): clean(value) for key, value in log.metadata.items()}
    return [(log.id, key, value) for key, value in cleaned.items()]


def _stored_row(item: Stored) -> Row:
    return tuple(_cleaned(getattr(item, column.name)) for column in stored.columns)


def _term_rows(item: Stored) -> list[Row]:
    if item.kind != "chat":  # responses are not listed
        return []
    return [(term, item.place) for term in dict.fromkeys(terms(item.kind, item.model, item.metadata))]


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        cleaned = {clean(key): clean(item) if isinstance(item, str) else item for key, item in value.items()}
        return orjson.dumps(cleaned).decode()
    return value
