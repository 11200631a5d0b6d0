"""Logs that go: which may, and how they do, with all that hangs on them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select

from tuneloop.filters import Tree
from tuneloop.store.database import Database
from tuneloop.store.graders import reviews
from tuneloop.store.keeping import terms
from tuneloop.store.schema import dataset_rows, logs, scores, stored, stored_terms
from tuneloop.store.where import where
from tuneloop.types import Stored

#: a moment and an id: where one is in the logs, oldest first
Place = tuple[float, str]


class Pruning:
    """Finds and deletes logs of one database, a few at a time."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def count(self, tree: Tree, *, spare: bool) -> int:
        """How many logs match; without those that are kept, if these are spared."""
        query = select(func.count()).select_from(logs).where(where(tree), *_spared(spare))
        with self.database.read() as connection:
            return connection.execute(query).scalar_one()

    def find(self, tree: Tree, *, spare: bool, after: Place | None, limit: int) -> list[Place]:
        """The oldest of them behind a place."""
        behind = [] if after is None else [_behind(after)]
        query = select(logs.c.created_at, logs.c.id).where(where(tree), *_spared(spare), *behind)
        query = query.order_by(logs.c.created_at, logs.c.id).limit(limit)
        with self.database.read() as connection:
            return [(row.created_at, row.id) for row in connection.execute(query)]

    def delete(self, ids: list[str], *, spare: bool) -> int:
        """Delete these logs in one transaction; what has come to be kept meanwhile is left. Returns how many went."""
        with self.database.write() as connection:
            query = select(logs.c.id).where(logs.c.id.in_(ids), *_spared(spare))
            gone = list(connection.execute(query).scalars())
            _delete_stored(connection, gone)
            connection.execute(delete(logs).where(logs.c.id.in_(gone)))
        return len(gone)


def _spared(spare: bool) -> list[ColumnElement[bool]]:
    """What a log fulfils that may go: nobody scored it, no data set has it, nobody is asked about it."""
    if not spare:
        return []
    asked = select(reviews.c.subject).where(reviews.c.answered_at.is_(None), reviews.c.subject.is_not(None))
    return [
        ~exists().where(scores.c.log_id == logs.c.id),
        ~exists().where(dataset_rows.c.log_id == logs.c.id),
        logs.c.id.not_in(asked),
    ]


def _behind(place: Place) -> ColumnElement[bool]:
    moment, log_id = place
    same = (logs.c.created_at == moment) & (logs.c.id > log_id)
    return or_(logs.c.created_at > moment, same)


def _delete_stored(connection: Connection, log_ids: list[str]) -> None:
    """Stored completions and responses go with their logs."""
    rows = connection.execute(select(stored).where(stored.c.log_id.in_(log_ids))).all()
    for item in (Stored(**row._mapping) for row in rows):
        under = stored_terms.c.term.in_(terms(item.kind, item.model, item.metadata))
        connection.execute(delete(stored_terms).where(under, stored_terms.c.place == item.place))
    connection.execute(delete(stored).where(stored.c.log_id.in_(log_ids)))
