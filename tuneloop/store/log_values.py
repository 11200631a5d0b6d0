"""What is there to filter by: the values that fields of logs have."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select

from tuneloop.store.database import Database
from tuneloop.store.schema import log_metadata, logs, scores

#: logs whose values are offered, for fields without an index
_NEWEST = 2000
_SAMPLED = (
    "status",
    "source",
    "endpoint",
    "served_by",
    "finish_reason",
    "user",
    "prompt",
    "span_kind",
    "span_name",
    "error",
)


class LogValues:
    """The values in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keys(self, field: str, most: int = 50) -> list[str]:
        """The keys that `metadata` has, or the names of scores; in order, at most so many."""
        column = log_metadata.c.key if field == "metadata" else scores.c.name
        with self._database.read() as connection:
            return _distinct(connection, column, most=most)

    def of(self, field: str, key: str | None = None, most: int = 50) -> list[Any]:
        """Values of a field (with its key), in order, at most so many; none where it can be anything."""
        with self._database.read() as connection:
            if field == "model":
                return _distinct(connection, logs.c[field], most=most)
            if field == "metadata":
                return _distinct(connection, log_metadata.c.value, log_metadata.c.key == key, most=most)
            if field == "score":
                return _score_values(connection, str(key), most)
            if field in _SAMPLED:
                newest = select(logs.c[field]).order_by(logs.c.created_at.desc(), logs.c.id.desc()).limit(_NEWEST)
                column = newest.subquery().c[0]
                query = select(column).where(column.is_not(None)).distinct().order_by(column).limit(most)
                return list(connection.execute(query).scalars())
        return []


def _score_values(connection: Connection, name: str, most: int) -> list[Any]:
    found: list[Any] = []
    for kind, column in (("text", scores.c.text), ("number", scores.c.number), ("bool", scores.c.number)):
        values = _distinct(connection, column, scores.c.name == name, scores.c.kind == kind, most=most)
        found += [bool(value) for value in values] if kind == "bool" else values
    return found[:most]


def _distinct(connection: Connection, column: ColumnElement[Any], *where: ColumnElement[bool], most: int) -> list[Any]:
    """The different values of an indexed column: a step in the index for each, however many rows have it."""
    found: list[Any] = []
    while len(found) < most:
        beyond = [column > found[-1]] if found else []
        value = connection.execute(select(func.min(column)).where(*where, *beyond)).scalar_one()
        if value is None:
            break
        found.append(value)
    return found
