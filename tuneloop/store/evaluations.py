"""Evaluations, and what their arms have answered: kept an answer at a time, so that none is paid for twice."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import evaluation_answers, evaluations
from tuneloop.types import Evaluation, Json

#: of an evaluation that has not ended
OPEN = evaluations.c.status.in_(("queued", "running"))


class EvaluationAnswerTable:
    """The answers of one database's evaluations."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, evaluation_id: str, arm: str, row_id: str, answer: Mapping[str, Json]) -> None:
        """Keep an answer; one to a row that the arm has answered changes nothing."""
        row = {"evaluation_id": evaluation_id, "arm": arm, "row_id": row_id, "answer": dict(answer)}
        with self.database.write() as connection:
            self.database.insert_new(connection, evaluation_answers, [row])

    def of(self, evaluation_id: str) -> dict[tuple[str, str], dict[str, Json]]:
        """All answers, by arm and row."""
        table = evaluation_answers.c
        query = select(table.arm, table.row_id, table.answer).where(table.evaluation_id == evaluation_id)
        with self.database.read() as connection:
            return {(row.arm, row.row_id): row.answer for row in connection.execute(query)}


class EvaluationTable(NounTable[Evaluation]):
    """The evaluations of one database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, evaluations, Evaluation, "evaluation")
        self.answers = EvaluationAnswerTable(database)

    def waiting(self) -> list[Evaluation]:
        """Those that wait for the server or are under way there, oldest first."""
        return [one for one in self.all(OPEN) if one.asked is not None][::-1]
