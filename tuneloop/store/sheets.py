"""What people have laid out in the playground: a table, and queries over it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Column, Double, Index, Table, Text, delete, select, update

from tuneloop.store.database import Database
from tuneloop.store.schema import metadata
from tuneloop.types import Json

sheets = Table(
    "sheets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("owner", Text, nullable=False),
    Column("content", JSON, nullable=False),
    Index("sheets_owner", "owner", "changed_at"),
)


class SheetTable:
    """The sheets of one database: JSON, by id, each somebody's."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def keep(self, sheet_id: str, owner: str, content: Mapping[str, Json]) -> None:
        """Write a sheet, in place of what was under this id."""
        now = time.time()
        values: dict[str, Any] = {"changed_at": now, "content": dict(content)}
        with self.database.write() as connection:
            done = connection.execute(update(sheets).where(sheets.c.id == sheet_id).values(**values))
            if done.rowcount == 0:
                row = {"id": sheet_id, "created_at": now, "owner": owner, **values}
                self.database.insert_new(connection, sheets, [row])

    def find(self, sheet_id: str) -> Mapping[str, Json] | None:
        """By id, or None."""
        with self.database.read() as connection:
            return connection.execute(select(sheets.c.content).where(sheets.c.id == sheet_id)).scalar()

    def latest(self, owner: str) -> Mapping[str, Json] | None:
        """The one that somebody changed last, or None."""
        query = select(sheets.c.content).where(sheets.c.owner == owner).order_by(sheets.c.changed_at.desc()).limit(1)
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    def sweep(self, before: float) -> int:
        """Forget those that were changed last before that moment; returns how many there were."""
        with self.database.write() as connection:
            return connection.execute(delete(sheets).where(sheets.c.changed_at < before)).rowcount
