"""Graders that are kept: their tables, and queries over them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    delete,
    exists,
    func,
    insert,
    select,
)

from tuneloop.grader_types import GraderVersion, Review
from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import metadata
from tuneloop.types import Json

grader_versions = Table(
    "grader_versions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSON, nullable=False),
    Column("note", Text),
    Index("grader_versions_number", "name", "version", unique=True),
)

grader_results = Table(
    "grader_results",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("result", JSON, nullable=False),
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("grader", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("passing", JSON, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("subject", Text),
    Column("value", JSON(none_as_null=True)),
    Column("reward", Double),
    Column("user", Text),
    Column("comment", Text),
    Column("answered_at", Double),
    Index("reviews_waiting", "grader", "answered_at", "created_at"),
)

monitors = Table(
    "monitors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("grader", Text, nullable=False),
    Column("filter", Text, nullable=False),
    Column("share", Double, nullable=False),
    Column("since", Double, nullable=False),
    Column("graded", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("problem", Text),
    UniqueConstraint("grader"),
)

_newer = grader_versions.alias("newer")
_newest = ~exists().where(_newer.c.name == grader_versions.c.name, _newer.c.version > grader_versions.c.version)


class GraderTable(NounTable[GraderVersion]):
    """The named graders of one database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, grader_versions, GraderVersion, "grader")

    def save(self, grader: GraderVersion) -> GraderVersion:
        """Add a version, numbered behind those that there are; a newest one with the same definition is returned
        instead."""
        named = grader_versions.c.name == grader.name
        with self.database.write() as connection:
            self.database.lock(connection, "grader_versions.save")
            row = connection.execute(select(*self.columns).where(named, _newest)).first()
            last = None if row is None else self.make(row)
            if last is not None and last.definition == grader.definition:
                return last
            made = replace(grader, version=1 if last is None else last.version + 1)
            connection.execute(insert(grader_versions), [self.values(made)])
        return made

    def version(self, name: str, version: int | None = None) -> GraderVersion | None:
        """A version of a grader, by default the newest; None where there is none."""
        wanted: ColumnElement[bool] = _newest if version is None else grader_versions.c.version == version
        found = self.all(grader_versions.c.name == name, wanted)
        return found[0] if found else None

    def history(self, name: str) -> list[GraderVersion]:
        """The versions of a grader, newest first."""
        return self.all(grader_versions.c.name == name)

    def forget(self, name: str) -> int:
        """Delete all versions of a grader, its monitor, and what it asks people and nobody has answered; returns how
        many versions there were."""
        unanswered = (reviews.c.grader == name) & reviews.c.answered_at.is_(None)
        with self.database.write() as connection:
            connection.execute(delete(monitors).where(monitors.c.grader == name))
            connection.execute(delete(reviews).where(unanswered))
            return connection.execute(delete(grader_versions).where(grader_versions.c.name == name)).rowcount

    def newest(self, *, limit: int, after: str | None = None) -> tuple[list[GraderVersion], bool]:
        """The newest version of each grader, the one saved last first; and whether there are more."""
        return self.page(_newest, limit=limit, after=after)


class ReviewTable(NounTable[Review]):
    """The questions to people of one database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, reviews, Review, "review", timed=False)

    def waiting(self) -> Mapping[str, int]:
        """How many questions nobody has answered, by the grader that asks them."""
        query = select(reviews.c.grader, func.count()).where(reviews.c.answered_at.is_(None)).group_by(reviews.c.grader)
        with self.database.read() as connection:
            return {grader: count for grader, count in connection.execute(query)}


class ResultTable:
    """What graders said of which content: a Cache, whose keys are hashes."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, key: str) -> Mapping[str, Json] | None:
        """What was put under a key, or None."""
        with self.database.read() as connection:
            query = select(grader_results.c.result).where(grader_results.c.id == key)
            found: Mapping[str, Json] | None = connection.execute(query).scalar()
        return found

    def put(self, key: str, result: Mapping[str, Json]) -> None:
        """Keep a result; the first one under a key stays."""
        row = {"id": key, "created_at": time.time(), "result": result}
        with self.database.write() as connection:
            self.database.insert_new(connection, grader_results, [row])

    def count(self) -> int:
        """How many are kept."""
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(grader_results)).scalar_one()
