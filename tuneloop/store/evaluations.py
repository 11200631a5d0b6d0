"""Evaluations, and what their arms have answered: kept an answer at a time, so that none is paid for twice."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select

from tuneloop.store.database import Database
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import evaluation_answers, evaluations
from tuneloop.store.votes import VoteTable
from tuneloop.types import Evaluation, Json

#: of an evaluation that has not ended
OPEN = evaluations.c.status.in_(("queued", "running"))
#: parts of a report that a list of evaluations shows
_SHOWN = ("title", "rows", "dataset", "arms", "verdict", "primary", "graders", "candidate")


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
        self.votes = VoteTable(database)

    def newest(self, *, limit: int, after: str | None = None) -> tuple[list[Evaluation], bool]:
        """A page of them, newest first, and whether there are more. Of a report only what a list shows: the rows in it
        are many."""
        named = [evaluations.c.report[part].label(f"report_{part}") for part in _SHOWN]
        columns = [column for column in self.columns if column.name != "report"]
        query = select(*columns, *named).order_by(evaluations.c.id.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(evaluations.c.id < after)
        with self.database.read() as connection:
            found = [dict(row._mapping) for row in connection.execute(query)]
        made = []
        for row in found[:limit]:
            report = {part: row.pop(f"report_{part}") for part in _SHOWN}
            made.append(Evaluation(**row, report={part: value for part, value in report.items() if value is not None}))
        return made, len(found) > limit

    def states(self, *, limit: int, after: str | None = None) -> list[tuple[str, str, Mapping[str, Json]]]:
        """Of a page of them, newest first, the ids, statuses and how far they are: no report is read."""
        query = select(evaluations.c.id, evaluations.c.status, evaluations.c.progress)
        query = query.order_by(evaluations.c.id.desc()).limit(limit)
        if after is not None:
            query = query.where(evaluations.c.id < after)
        with self.database.read() as connection:
            return [(row.id, row.status, row.progress) for row in connection.execute(query)]

    def waiting(self) -> list[Evaluation]:
        """Those that wait for the server or are under way there, oldest first."""
        return [one for one in self.all(OPEN) if one.asked is not None][::-1]
