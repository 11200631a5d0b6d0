"""Looking through many logs: pages in any order, in both directions, and how many there are.

A filter is asked first whether an index leads to few logs that it can be true of (`candidates`); then those are looked
at and no others. Where each of its conditions is true of many, the logs are looked at in their order, a window of them
at a time, until there are enough. So neither the rare nor the frequent takes long; what does (a filter whose conditions
are all frequent and hardly ever true together) ends when its time is up, and says how far it has come.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, func, select, tuple_

from tuneloop import filters
from tuneloop.filters import Condition, Tree
from tuneloop.store import log_texts
from tuneloop.store.database import Database
from tuneloop.store.log_texts import LogTexts
from tuneloop.store.schema import logs
from tuneloop.store.where import PLACES, candidates, where, with_words

Order = Literal["created_at", "latency_ms", "cost"]
ORDERS: tuple[Order, ...] = ("created_at", "latency_ms", "cost")
#: so many logs that an index leads to are all looked at; with more, logs are looked at in their order
FEW = 4000
#: logs of the first window and the most of one
_WINDOW, _WIDEST = 1000, 16_000
_BY_ID = "INDEXED BY sqlite_autoindex_logs_1"
#: so many that are not indexed yet are looked at in other orders than time
_WAITING = 4000
#: so many of the first window are not few among all
_OFTEN = 8
#: in SQLite all but the order of time is in a table of its own
_INDEXES = {"created_at": "logs_newest", "latency_ms": "log_places_latency", "cost": "log_places_cost"}
_TEXTS = ("text", "input", "output")


class Place(NamedTuple):
    """Where a log stands in an order; no log has the id "", which is before all others of the same value."""

    value: float
    id: str


class Found(NamedTuple):
    """Places of logs in their order, and where to go on: None at the end. Fewer than were asked for, and a place to go
    on, say that time was up."""

    places: list[Place]
    on: Place | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many; at least so many where it is not exact."""

    count: int
    exact: bool


_Columns = tuple[ColumnElement[Any], ColumnElement[Any]]


class _Window(NamedTuple):
    """The logs from one place, itself left out, to another, itself in; perhaps only some can match."""

    start: Place | None
    end: Place | None
    ids: list[str] | None


class LogSearch:
    """Looks through the logs of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.texts = LogTexts(database)

    def find(
        self, tree: Tree, *, order: Order = "created_at", limit: int, at: Place | None = None, forward: bool = False,
        seconds: float | None = None,
    ) -> Found:  # fmt: skip
        """At most `limit` logs that match, behind `at`: from the highest value down, or `forward` from the lowest up.
        Those without the value that orders them are left out. Looks for so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        places: list[Place] = []
        with self.database.read() as connection:
            look = _Look(self, connection, tree, order, forward, ids=self.few(connection, tree))
            for window in look.windows(at):
                places += look.places(window, limit + 1 - len(places))
                if len(places) > limit:
                    return Found(places[:limit], places[limit - 1])
                if window.end is not None and end is not None and time.monotonic() > end:
                    return Found(places, window.end)
        return Found(places, None)

    def count(self, tree: Tree, *, seconds: float | None = None) -> Count:
        """How many logs match; looks for so many seconds."""
        end = None if seconds is None else time.monotonic() + seconds
        with self.database.read() as connection:
            if (query := self._counted(tree)) is not None:
                return Count(count=connection.execute(query).scalar_one(), exact=True)
            look = _Look(self, connection, tree, "created_at", False, ids=self.few(connection, tree))
            total = 0
            for window in look.windows(None):
                total += look.count(window)
                if window.end is not None and end is not None and time.monotonic() > end:
                    return Count(count=total, exact=False)
        return Count(count=total, exact=True)

    def few(self, connection: Connection, tree: Tree) -> list[str] | None:
        """The ids of a few logs among which are all that match, where an index leads to them."""
        if isinstance(tree, filters.All):
            return next((found for part in tree.parts if (found := self.few(connection, part)) is not None), None)
        if isinstance(tree, filters.Any):
            every = [self.few(connection, part) for part in tree.parts]
            whole = [found for found in every if found is not None]
            return list({log_id for found in whole for log_id in found}) if len(whole) == len(every) else None
        return self._few(connection, tree) if isinstance(tree, Condition) else None

    def _few(self, connection: Connection, condition: Condition) -> list[str] | None:
        if condition.field in _TEXTS and condition.op == "~":
            found = self._few_texts(connection, condition)
        elif (query := candidates(condition, self.database.dialect)) is not None:
            found = list(connection.execute(query.limit(FEW + 1)).scalars())
        else:
            return None
        return None if found is None or len(found) > FEW else list(dict.fromkeys(found))

    def _few_texts(self, connection: Connection, condition: Condition) -> list[str] | None:
        if self.database.dialect == "postgresql":
            return self._few_words(connection, condition)
        words = log_texts.query_of(str(condition.values[0])) if self.texts.exists else None
        if words is None or len(waiting := self.texts.waiting(connection, FEW + 1)) > FEW:
            return None
        found = self.texts.find(connection, words, None, forward=False, most=FEW + 1)
        return None if found.last is not None else found.ids + waiting

    def _few_words(self, connection: Connection, condition: Condition) -> list[str] | None:
        """By PostgreSQL's index, which takes long where there are no trigrams in a text or many logs have it."""
        if len(str(condition.values[0])) < 3:
            return None
        look = _Look(self, connection, condition, "created_at", False, ids=None)
        if look.count(next(look.windows(None))) > _OFTEN:
            return None
        return list(connection.execute(with_words(condition).limit(FEW + 1)).scalars())

    def _counted(self, tree: Tree) -> Select[Any] | None:
        """A query that counts by an index alone."""
        match tree:
            case filters.All(()):
                return select(func.count()).select_from(logs)
            case Condition(field=field) if field not in ("scored", "corrected", "score", "latency_ms", "cost"):
                query = candidates(tree, self.database.dialect)
                return None if query is None else select(func.count()).select_from(query.subquery())
        return None


class _Look:
    """One look through logs, in one order and direction."""

    def __init__(
        self,
        search: LogSearch,
        connection: Connection,
        tree: Tree,
        order: Order,
        forward: bool,
        *,
        ids: list[str] | None,
    ) -> None:
        self._search, self._connection = search, connection
        self._order, self._forward = order, forward
        #: what is gone through in its order, and how it is ordered
        self._aside = order != "created_at" and search.database.dialect == "sqlite"
        self._from: FromClause = PLACES if self._aside else logs
        self._columns = (PLACES.c[order], PLACES.c.log_id) if self._aside else (logs.c[order], logs.c.id)
        self._matches = where(tree)
        self._ids = ids
        self._words, self._waiting = self._text_of(tree)

    def _text_of(self, tree: Tree) -> tuple[str | None, list[str]]:
        """What FTS5 is asked, where a text must be in all that match and logs are wanted by their time."""
        if self._ids is not None:
            return None, []
        if self._aside:
            return None, self._search.texts.waiting(self._connection, _WAITING)
        if self._order != "created_at" or not self._search.texts.exists:
            return None, []
        asked = (
            log_texts.query_of(str(part.values[0]))
            for part in required(tree)
            if isinstance(part, Condition) and part.field in _TEXTS and part.op == "~"
        )
        words = next((one for one in asked if one), None)
        waiting = self._search.texts.waiting(self._connection, FEW + 1) if words else []
        return (None, []) if len(waiting) > FEW else (words, waiting)

    def windows(self, at: Place | None) -> Iterator[_Window]:
        """All windows behind a place, in their order; the last has no end."""
        if self._ids is not None:
            yield _Window(at, None, self._ids)
        elif self._words is not None:
            yield from self._text_windows(at, self._words)
        else:
            yield from self._plain_windows(at)

    def _plain_windows(self, at: Place | None) -> Iterator[_Window]:
        width = _WINDOW
        while True:
            query = self._ordered(select(*self._columns).where(_behind(self._columns, at, self._forward)))
            row = self._connection.execute(query.offset(width - 1).limit(1)).first()
            end = None if row is None else Place(row[0], row[1])
            yield _Window(at, end, None)
            if end is None:
                return
            at, width = end, min(2 * width, _WIDEST)

    def _text_windows(self, at: Place | None, words: str) -> Iterator[_Window]:
        most = _WINDOW // 2
        after = None if at is None else _text_place(at, self._forward)
        while True:
            found = self._search.texts.find(self._connection, words, after, forward=self._forward, most=most)
            if found.last is None:
                yield _Window(at, None, found.ids + self._waiting)
                return
            step = log_texts.step_at(found.last)
            # The step of the last one may go on behind it: it belongs to the next window.
            end = Place((step if self._forward else step + 1) / log_texts.STEPS, "")
            if at is not None and (end <= at if self._forward else end >= at):
                most = 4 * most  # so many in one step
                continue
            yield _Window(at, end, found.ids + self._waiting)
            at, after, most = end, _text_place(end, self._forward), min(2 * most, _WIDEST)

    def places(self, window: _Window, most: int) -> list[Place]:
        """The logs of a window that match, in their order, at most so many."""
        found: set[Place] = set()
        if window.ids is None:
            query = select(*self._columns).where(self._matches, self._inside(window, self._columns))
            if self._aside:  # what has changed since is in the list of those that wait
                same = (PLACES.c.log_id == logs.c.id) & (self._columns[0] == logs.c[self._order])
                query = query.select_from(PLACES.join(logs, same)).with_hint(logs, _BY_ID, "sqlite")
            found = {Place(row[0], row[1]) for row in self._connection.execute(self._ordered(query).limit(most))}
        ids = self._waiting if window.ids is None else window.ids
        columns = (logs.c[self._order], logs.c.id)
        query = select(*columns).where(self._matches, self._inside(window, columns))
        found |= {Place(row[0], row[1]) for row in self._each(query, ids)}
        return sorted(found, reverse=not self._forward)[:most]

    def count(self, window: _Window) -> int:
        """How many logs of a window match, in the order of time."""
        inside = self._inside(window, (logs.c.created_at, logs.c.id))
        query = select(func.count()).select_from(logs).where(self._matches, inside)
        if window.ids is None:
            return int(self._connection.execute(self._by_index(query)).scalar_one())
        return sum(row[0] for row in self._each(query, window.ids))

    def _each(self, query: Select[Any], ids: Sequence[str]) -> Iterator[Any]:
        """The rows of a query over logs of these ids."""
        once, query = list(dict.fromkeys(ids)), query.with_hint(logs, _BY_ID, "sqlite")
        for start in range(0, len(once), 1000):
            yield from self._connection.execute(query.where(logs.c.id.in_(once[start : start + 1000])))

    def _inside(self, window: _Window, columns: _Columns) -> ColumnElement[bool]:
        behind = _behind(columns, window.start, self._forward)
        if window.end is None:
            return behind
        key, end = tuple_(*columns), tuple_(*window.end)
        return and_(behind, key <= end if self._forward else key >= end)

    def _ordered(self, query: Select[Any]) -> Select[Any]:
        return self._by_index(query).order_by(*(c.asc() if self._forward else c.desc() for c in self._columns))

    def _by_index(self, query: Select[Any]) -> Select[Any]:
        # Without statistics SQLite takes any index with an equality for better than the order that is wanted.
        return query.with_hint(self._from, f"INDEXED BY {_INDEXES[self._order]}", "sqlite")


def _behind(columns: _Columns, at: Place | None, forward: bool) -> ColumnElement[bool]:
    known, key = columns[0].is_not(None), tuple_(*columns)
    if at is None:
        return known
    return and_(known, key > tuple_(*at) if forward else key < tuple_(*at))


def required(tree: Tree) -> Iterator[Tree]:
    """The parts of a tree that must all be true."""
    if isinstance(tree, filters.All):
        for part in tree.parts:
            yield from required(part)
    else:
        yield tree


def _text_place(at: Place, forward: bool) -> int:
    """A place of words before which none of a log behind `at` stands."""
    step = log_texts.step_of(at.value)
    return log_texts.first_place(step) - 1 if forward else log_texts.first_place(step + 1)
