"""Queries over stored chat completions and responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, exists, func, select, update

from tuneloop.errors import NotFound
from tuneloop.store.database import Database
from tuneloop.store.keeping import Kind, terms
from tuneloop.store.schema import logs, stored, stored_terms
from tuneloop.types import Log, Stored

#: a stored call and its Log
Kept = tuple[Stored, Log]

#: places looked at to tell a rare term from a common one
_COMMON = 1000


class StoredTable:
    """The stored calls of one database, in the order in which they were written. What is deleted is not found.

    Ids are the servers' own. Where two calls have the same one, it means the later.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def find(self, kind: Kind, item_id: str) -> Kept | None:
        """By the id inside the answer, or None."""
        with self.database.read() as connection:
            kept = _with_logs(connection, connection.execute(_found(kind, item_id).limit(1)).all())
        return kept[0] if kept else None

    def chain(self, item_id: str) -> list[Kept]:
        """A response and those before it, oldest first. The first one's `previous` is None unless that was deleted."""
        here = (stored.c.kind == "response", stored.c.deleted.is_(False))
        link = select(stored.c.place, stored.c.previous).where(stored.c.id == item_id, *here).cte(recursive=True)
        before = select(stored.c.place, stored.c.previous).where(stored.c.id == link.c.previous, *here)
        places = select(link.union(before).c.place)
        with self.database.read() as connection:
            rows = connection.execute(select(stored).where(stored.c.place.in_(places)).order_by(stored.c.place)).all()
            return _with_logs(connection, rows)

    def page(
        self,
        kind: Kind,
        *,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        limit: int,
        after: str | None = None,
        ascending: bool = True,
    ) -> tuple[list[Kept], bool]:
        """At most `limit` behind `after` that have this model and all these pairs; and whether there are more.

        Only chat completions can be listed. Raises NotFound for an `after` that there never was.
        """
        wanted = terms(kind, model, metadata)[1:] or terms(kind)
        with self.database.read() as connection:
            first, *others = sorted(wanted, key=lambda term: _count(connection, term)) if wanted[1:] else wanted
            query = select(stored).join(stored_terms, stored_terms.c.place == stored.c.place)
            query = query.where(stored_terms.c.term == first)
            for term in others:
                also = stored_terms.alias()
                query = query.where(exists().where(also.c.term == term, also.c.place == stored_terms.c.place))
            # Ordered by the terms' own column, so that the index gives the page without sorting anything.
            place = stored_terms.c.place
            if after is not None:
                position = _place(connection, kind, after, func.max if ascending else func.min)
                query = query.where(place > position if ascending else place < position)
            query = query.order_by(place if ascending else place.desc()).limit(limit + 1)
            rows = connection.execute(query).all()
            return _with_logs(connection, rows[:limit]), len(rows) > limit

    def change(self, kind: Kind, item_id: str, metadata: Mapping[str, str]) -> bool:
        """Put other metadata in place of what there is; returns whether it is there."""
        with self.database.write() as connection:
            row = connection.execute(_found(kind, item_id).limit(1).with_for_update()).first()
            if row is None:
                return False
            item = Stored(**row._mapping)
            connection.execute(update(stored).where(stored.c.place == item.place).values(metadata=dict(metadata)))
            _forget(connection, item.place, terms(kind, None, item.metadata)[1:])
            fresh = [{"term": term, "place": item.place} for term in terms(kind, None, metadata)[1:]]
            self.database.insert_new(connection, stored_terms, fresh)
            return True

    def remove(self, kind: Kind, item_id: str) -> bool:
        """Delete what has this id, but no Log; returns whether there was anything."""
        with self.database.write() as connection:
            rows = connection.execute(_found(kind, item_id).with_for_update()).all()
            for item in (Stored(**row._mapping) for row in rows):
                connection.execute(update(stored).where(stored.c.place == item.place).values(deleted=True))
                _forget(connection, item.place, terms(kind, item.model, item.metadata))
        return bool(rows)


def _found(kind: Kind, item_id: str) -> Select[Any]:
    """What there is with an id, the latest first."""
    query = select(stored).where(stored.c.id == item_id, stored.c.kind == kind, stored.c.deleted.is_(False))
    return query.order_by(stored.c.place.desc())


def _forget(connection: Connection, place: str, of: Sequence[str]) -> None:
    connection.execute(delete(stored_terms).where(stored_terms.c.term.in_(of), stored_terms.c.place == place))


def _count(connection: Connection, term: str) -> int:
    some = select(stored_terms.c.place).where(stored_terms.c.term == term).limit(_COMMON).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _place(connection: Connection, kind: Kind, item_id: str, outermost: Callable[..., Any]) -> str:
    """Where the id is; of several places the one that nothing comes after again."""
    query = select(outermost(stored.c.place)).where(stored.c.id == item_id, stored.c.kind == kind)
    place = connection.execute(query).scalar_one()
    if place is None:
        raise NotFound(f"no stored {kind} {item_id!r}", param="after")
    return str(place)


def _with_logs(connection: Connection, rows: Sequence[Row[Any]]) -> list[Kept]:
    items = [Stored(**row._mapping) for row in rows]
    query = select(logs).where(logs.c.id.in_([item.log_id for item in items]))
    of = {row.id: Log(**row._mapping) for row in connection.execute(query)} if items else {}
    return [(item, of[item.log_id]) for item in items]
