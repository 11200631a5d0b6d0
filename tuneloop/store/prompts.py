"""Prompts in versions: their table, and queries over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    Table,
    Text,
    exists,
    func,
    insert,
    select,
    update,
)

from tuneloop.prompt_types import Prompt
from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import metadata

prompts = Table(
    "prompts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("messages", JSON, nullable=False),
    Column("model", Text),
    Column("parameters", JSON, nullable=False),
    Column("tools", JSON, nullable=False),
    Column("response_format", JSON(none_as_null=True)),
    Column("note", Text),
    Column("sha256", Text, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Index("prompts_version", "name", "version", unique=True),
    Index("prompts_content", "name", "sha256"),
)
_newer = prompts.alias("newer")
_there = prompts.c.deleted.is_(False)
_newest = ~exists().where(
    _newer.c.name == prompts.c.name, _newer.c.version > prompts.c.version, _newer.c.deleted.is_(False)
)


class Saved(NamedTuple):
    """A version, and whether it was new."""

    prompt: Prompt
    is_new: bool


class PromptTable(NounTable[Prompt]):
    """The prompts of one database. A version never changes; its number is never given again."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, prompts, Prompt, "prompt")

    def save(self, prompt: Prompt, sha256: str) -> Saved:
        """Add a version, numbered behind those that there are; one with the same content is returned instead."""
        with self.database.write() as connection:
            self.database.lock(connection, "prompts.save")
            same = select(*self.columns).where(prompts.c.name == prompt.name, prompts.c.sha256 == sha256, _there)
            row = connection.execute(same.order_by(prompts.c.version.desc())).first()
            if row is not None:
                return Saved(self.make(row), False)
            made = replace(prompt, version=self._last(connection, prompt.name) + 1)
            connection.execute(insert(prompts), [{**self.values(made), "sha256": sha256, "deleted": False}])
        return Saved(made, True)

    def find(self, item_id: str) -> Prompt | None:
        """A version by its id, or None."""
        return self._first(prompts.c.id == item_id)

    def version(self, name: str, version: int | None = None) -> Prompt | None:
        """A version of a prompt, by default the newest; None where there is none."""
        return self._first(prompts.c.name == name, _newest if version is None else prompts.c.version == version)

    def versions(self, name: str) -> list[int]:
        """The numbers that there are under a name, oldest first."""
        query = select(prompts.c.version).where(prompts.c.name == name, _there).order_by(prompts.c.version)
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def newest(self, *, limit: int, after: str | None = None) -> tuple[list[Prompt], bool]:
        """The newest version of each prompt, the one saved last first; and whether there are more."""
        return self.page(_there, _newest, limit=limit, after=after)

    def history(self, name: str, *, limit: int, after: str | None = None) -> tuple[list[Prompt], bool]:
        """The versions of a prompt, newest first; and whether there are more."""
        return self.page(_there, prompts.c.name == name, limit=limit, after=after)

    def each(self) -> Iterator[Prompt]:
        """Every version of every prompt, newest first."""
        yield from self.all(_there)

    def delete(self, name: str, version: int | None = None) -> int:
        """Delete a version, or all of them; returns how many were there. Their numbers stay taken."""
        wanted = [] if version is None else [prompts.c.version == version]
        gone = {"deleted": True, "messages": [], "parameters": {}, "tools": [], "response_format": None, "note": None}
        statement = update(prompts).where(prompts.c.name == name, _there, *wanted).values(**gone)
        with self.database.write() as connection:
            return connection.execute(statement).rowcount

    def _first(self, *conditions: object) -> Prompt | None:
        with self.database.read() as connection:
            row = connection.execute(select(*self.columns).where(_there, *conditions)).first()  # type: ignore[arg-type]
        return None if row is None else self.make(row)

    def _last(self, connection: Connection, name: str) -> int:
        query = select(func.max(prompts.c.version)).where(prompts.c.name == name)
        return connection.execute(query).scalar_one() or 0
