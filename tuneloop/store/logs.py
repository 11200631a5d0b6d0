"""Queries over logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tuneloop.errors import NotFound
from tuneloop.filters import Tree
from tuneloop.store.batches import batches
from tuneloop.store.database import Database
from tuneloop.store.log_insert import LogInsert
from tuneloop.store.log_search import LogSearch, Order, Place
from tuneloop.store.log_times import LogTimes
from tuneloop.store.log_values import LogValues
from tuneloop.store.schema import log_metadata, logs
from tuneloop.store.where import newest_first, where
from tuneloop.types import Log

#: what a list does not show, and how many letters of a text it does
_LONG = ("input_text", "output_text", "request", "response", "attributes")
_SHORT = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What the calls that one model answered have used."""

    model: str
    calls: int
    #: those whose tokens are known, and their tokens
    counted: int
    prompt_tokens: int
    completion_tokens: int
    #: those whose cost is known, and their dollars
    priced: int
    cost: float


class LogTable:
    """The logs of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.search = LogSearch(database)
        self.times = LogTimes(self.search)
        self.values = LogValues(database)
        self.insert = LogInsert(database)
        self._replace = LogInsert(database, replace=True)

    def get(self, log_id: str) -> Log:
        """By the Log's own id or the id inside its response. Raises NotFound."""
        query = select(logs).where((logs.c.id == log_id) | (logs.c.response_id == log_id))
        with self.database.read() as connection:
            row = connection.execute(newest_first(query, None).limit(1)).first()
        if row is None:
            raise NotFound(f"no log {log_id!r}: not the id of a log, nor the id inside a response", param="log_id")
        return _log(row)

    def page(self, tree: Tree, *, limit: int, after: str | None = None) -> tuple[list[Log], bool]:
        """The newest logs that match, at most `limit`, behind the log `after`; and whether there are more."""
        found = self.search.find(tree, limit=limit, at=self.place(after) if after else None)
        return self.named([place.id for place in found.places]), found.on is not None

    def place(self, log_id: str, order: Order = "created_at") -> Place:
        """Where a log stands in an order. Raises NotFound, also where it has no value to be ordered by."""
        with self.database.read() as connection:
            row = connection.execute(select(logs.c[order], logs.c.id).where(logs.c.id == log_id)).first()
        if row is None or row[0] is None:
            raise NotFound(f"no log {log_id!r}", param="after")
        return Place(row[0], row[1])

    def named(self, ids: Sequence[str], *, short: bool = False) -> list[Log]:
        """The logs of these ids that are there, in this order; `short` without the bytes of request and response, and
        with the beginnings of texts."""
        columns = [column for column in logs.columns if not short or column.name not in _LONG]
        texts = [func.substr(logs.c[name], 1, _SHORT).label(name) for name in ("input_text", "output_text")]
        found: dict[str, Log] = {}
        with self.database.read() as connection:
            for batch in batches(ids):
                query = select(*columns, *(texts if short else [])).where(logs.c.id.in_(batch))
                found |= {row.id: _log(row) for row in connection.execute(query)}
        return [found[log_id] for log_id in ids if log_id in found]

    def each(self, tree: Tree) -> Iterator[Log]:
        """Every log that matches, newest first, a page at a time in memory."""
        after: tuple[float, str] | None = None
        while True:
            query = newest_first(select(logs).where(where(tree)), after).limit(500)
            with self.database.read() as connection:
                rows = connection.execute(query).all()
            yield from map(_log, rows)
            if len(rows) < 500:
                return
            after = (rows[-1].created_at, rows[-1].id)

    def ids(self, tree: Tree) -> list[tuple[str, float]]:
        """Id and time of every log that matches, oldest first."""
        query = select(logs.c.id, logs.c.created_at).where(where(tree)).order_by(logs.c.created_at, logs.c.id)
        with self.database.read() as connection:
            return [(row.id, row.created_at) for row in connection.execute(query)]

    def exists(self, log_id: str) -> bool:
        """Whether there is a log of this id."""
        with self.database.read() as connection:
            return connection.execute(select(logs.c.id).where(logs.c.id == log_id)).first() is not None

    def count(self, tree: Tree) -> int:
        """How many logs match."""
        return self.search.count(tree).count

    def span(self, tree: Tree) -> tuple[int, float | None, float | None]:
        """How many logs match, and when the first and the last of them were made (None without any)."""
        query = select(func.count(), func.min(logs.c.created_at), func.max(logs.c.created_at)).where(where(tree))
        with self.database.read() as connection:
            count, first, last = connection.execute(query).one()
        return count, first, last

    def usage(self, tree: Tree) -> list[Usage]:
        """What the logs that match have used, by the model that answered; the model of most calls first."""
        model = func.coalesce(logs.c.served_by, logs.c.model)
        tokens = logs.c.prompt_tokens.is_not(None) & logs.c.completion_tokens.is_not(None)
        query = (
            select(
                model.label("model"),
                func.count().label("calls"),
                func.count().filter(tokens).label("counted"),
                func.coalesce(func.sum(logs.c.prompt_tokens).filter(tokens), 0).label("prompt_tokens"),
                func.coalesce(func.sum(logs.c.completion_tokens).filter(tokens), 0).label("completion_tokens"),
                func.count(logs.c.cost).label("priced"),
                func.coalesce(func.sum(logs.c.cost), 0.0).label("cost"),
            )
            .where(where(tree))
            .group_by(model)
            .order_by(func.count().desc(), model)
        )
        with self.database.read() as connection:
            return [Usage(**row._mapping) for row in connection.execute(query)]

    def by_metadata(self, wanted: Mapping[str, str], *, limit: int = 2) -> list[Log]:
        """The newest logs whose metadata has all these values."""
        query = select(logs)
        for key, value in wanted.items():
            match = select(log_metadata.c.log_id).where(log_metadata.c.key == key, log_metadata.c.value == value)
            query = query.where(logs.c.id.in_(match))
        with self.database.read() as connection:
            return [_log(row) for row in connection.execute(newest_first(query, None).limit(limit))]

    def add(self, new: Sequence[Log]) -> int:
        """Write logs whose ids are not there yet; returns how many were new."""
        with self.database.write() as connection:
            fresh = self.unknown(connection, new)
            self.insert(connection, fresh)
        return len(fresh)

    def put(self, new: Sequence[Log], merged: Callable[[Log, Log], Log]) -> None:
        """Write logs, all or none; one whose id is there already becomes `merged(old, new)`."""
        once: dict[str, Log] = {}
        for log in new:
            once[log.id] = merged(once[log.id], log) if log.id in once else log
        with self.database.write() as connection:
            self.database.lock(connection, "logs.put")
            for ids in batches(list(once)):
                for row in connection.execute(select(logs).where(logs.c.id.in_(ids))):
                    once[row.id] = merged(_log(row), once[row.id])
            self._replace(connection, list(once.values()))

    def unknown(self, connection: Connection, new: Sequence[Log]) -> list[Log]:
        """Those whose ids the database has not seen, each once."""
        once = {log.id: log for log in new}
        have = set(connection.execute(select(logs.c.id).where(logs.c.id.in_(once))).scalars())
        return [log for log in once.values() if log.id not in have]


def _log(row: Row[Any]) -> Log:
    return Log(**row._mapping)
