"""What a batch that is under way has been answered: kept a request at a time, so that none is answered twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from tuneloop.store.database import Database
from tuneloop.store.schema import batch_answers, batches

#: rows in memory at once
_PAGE = 200


class Answered(NamedTuple):
    """An answer: the line of the input it belongs to, whether it went well, and its line of the output."""

    line: int
    ok: bool
    body: bytes


class BatchAnswerTable:
    """The answers of one database's batches."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, batch_id: str, answer: Answered, tokens: Mapping[str, int]) -> None:
        """Keep an answer and count it in its batch; one to a line that has an answer changes nothing.

        `tokens` are the batch's columns that it adds to ("input_tokens", ...).
        """
        row = {"batch_id": batch_id, **answer._asdict()}
        added = {"completed" if answer.ok else "failed": 1, **tokens}
        counts = {name: batches.c[name] + number for name, number in added.items()}
        with self.database.write() as connection:
            if self.database.insert_new(connection, batch_answers, [row]):
                connection.execute(update(batches).where(batches.c.id == batch_id).values(counts))

    def lines(self, batch_id: str) -> set[int]:
        """The lines that have an answer."""
        with self.database.read() as connection:
            query = select(batch_answers.c.line).where(batch_answers.c.batch_id == batch_id)
            return set(connection.execute(query).scalars())

    def each(self, batch_id: str) -> Iterator[Answered]:
        """All answers in the order of the lines, a page at a time in memory."""
        table = batch_answers.c
        query = select(table.line, table.ok, table.body).where(table.batch_id == batch_id)
        query, last = query.order_by(table.line).limit(_PAGE), 0
        while True:
            with self.database.read() as connection:
                page = connection.execute(query.where(table.line > last)).all()
            for row in page:
                yield Answered(row.line, row.ok, row.body)
            if len(page) < _PAGE:
                return
            last = page[-1].line

    def forget_within(self, connection: Connection, batch_id: str) -> None:
        """Delete the answers of a batch, within the caller's transaction."""
        connection.execute(delete(batch_answers).where(batch_answers.c.batch_id == batch_id))
