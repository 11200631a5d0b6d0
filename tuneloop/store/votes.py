"""Blind votes: their table, and queries over it."""

from __future__ import annotations

from sqlalchemy import Column, Double, ForeignKey, Index, Integer, Table, Text, delete, insert

from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import metadata
from tuneloop.vote_types import Vote

votes = Table(
    "votes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("evaluation_id", Text, ForeignKey("evaluations.id", ondelete="CASCADE"), nullable=False),
    Column("row_id", Text, nullable=False),
    Column("user", Text, nullable=False),
    Column("first", Text, nullable=False),
    Column("second", Text, nullable=False),
    Column("choice", Integer, nullable=False),
    Index("votes_evaluation", "evaluation_id"),
)


class VoteTable(NounTable[Vote]):
    """The votes of one database. Who votes again has said the last one."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, votes, Vote, "vote", timed=False)

    def cast(self, vote: Vote) -> None:
        """Keep a vote in place of the one with its id."""
        with self.database.write() as connection:
            connection.execute(delete(votes).where(votes.c.id == vote.id))
            connection.execute(insert(votes), [self.values(vote)])

    def listed(self, evaluation_id: str, *, limit: int, after: str | None = None) -> tuple[list[Vote], bool]:
        """A page of the votes on an evaluation's answers, newest first, and whether there are more."""
        return self.page(votes.c.evaluation_id == evaluation_id, limit=limit, after=after)

    def of(self, evaluation_id: str) -> list[Vote]:
        """All votes on an evaluation's answers, newest first."""
        return self.all(votes.c.evaluation_id == evaluation_id)
