"""Queries over scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from tuneloop.store.database import Database, clean
from tuneloop.store.schema import scores
from tuneloop.types import Score


class ScoreTable:
    """The scores of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, new: Sequence[Score]) -> None:
        """Write scores, leaving alone those whose ids are there already."""
        with self.database.write() as connection:
            self.insert(connection, new)

    def insert(self, connection: Connection, new: Sequence[Score]) -> int:
        """The same within the caller's transaction; returns how many were new."""
        once = {score.id: score for score in new}
        have = set(connection.execute(select(scores.c.id).where(scores.c.id.in_(once))).scalars())
        fresh = [_row(score) for score in once.values() if score.id not in have]
        self.database.insert_new(connection, scores, fresh)
        return len(fresh)

    def remove(self, score_id: str) -> Score | None:
        """Delete a score and return it; None where there is none of this id."""
        with self.database.write() as connection:
            row = connection.execute(select(scores).where(scores.c.id == score_id)).first()
            connection.execute(delete(scores).where(scores.c.id == score_id))
        return None if row is None else _score(row)

    def logs(self) -> int:
        """How many logs have a score."""
        with self.database.read() as connection:
            return connection.execute(select(func.count(scores.c.log_id.distinct()))).scalar_one()

    def of(self, log_ids: Sequence[str]) -> Mapping[str, list[Score]]:
        """The scores of each of these logs, oldest first."""
        found: dict[str, list[Score]] = {log_id: [] for log_id in log_ids}
        query = select(scores).where(scores.c.log_id.in_(found)).order_by(scores.c.created_at, scores.c.id)
        with self.database.read() as connection:
            for row in connection.execute(query):
                found[row.log_id].append(_score(row))
        return found


def _row(score: Score) -> dict[str, Any]:
    value: dict[str, Any]
    match score.value:
        case bool(truth):
            value = {"kind": "bool", "number": float(truth), "text": None}
        case int() | float():
            value = {"kind": "number", "number": float(score.value), "text": None}
        case str(text):
            value = {"kind": "text", "number": None, "text": clean(text)}
        case None:
            value = {"kind": None, "number": None, "text": None}
    names = ("id", "log_id", "created_at", "name", "source", "user", "comment", "correction")
    row = {name: getattr(score, name) for name in names}
    return row | {name: clean(row[name]) for name in ("name", "user", "comment")} | value


def _score(row: Row[Any]) -> Score:
    fields = dict(row._mapping)
    kind, number, text = fields.pop("kind"), fields.pop("number"), fields.pop("text")
    return Score(value={"bool": bool(number), "number": number, "text": text}.get(kind), **fields)
