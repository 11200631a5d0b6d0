"""When the logs were made that match: how many in each stretch of time."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, tuple_

from tuneloop.filters import Condition, Tree
from tuneloop.store.log_search import FEW, LogSearch, required
from tuneloop.store.schema import logs
from tuneloop.store.where import where

#: seconds that a stretch may last: what people count in
_WIDTHS = (
    *(1, 5, 15, 30, 60, 300, 900, 1800),
    *(3600, 3 * 3600, 6 * 3600, 12 * 3600, 86_400, 2 * 86_400, 7 * 86_400, 28 * 86_400, 91 * 86_400, 364 * 86_400),
)
#: logs that are looked at in all, where a count of all that match would take too long
_LOOKED_AT = 10_000
#: seconds after which samples are small
_SECONDS, _SMALL = 1.0, 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """So many logs from `start` to just before `end`, seconds since 1970."""

    start: float
    end: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Stretches of the same length without a gap; none when nothing matches. Where it is not exact, each count is made
    of a sample: the newest logs of the stretch."""

    bars: Sequence[Bar]
    exact: bool


class LogTimes:
    """The histograms of one database."""

    def __init__(self, search: LogSearch) -> None:
        self._search = search

    def histogram(self, tree: Tree, buckets: int = 60) -> Histogram:
        """Logs that match, by time, in at most so many stretches."""
        with self._search.database.read() as connection:
            few = self._search.few(connection, tree) is not None
        if few:
            moments = [place.value for place in self._search.find(tree, limit=FEW + 1).places]
            return _of(moments, buckets)
        with self._search.database.read() as connection:
            span = _span(connection, tree)
            if span is None:
                return Histogram(bars=(), exact=True)
            edges = _edges(*span, buckets)
            look = _Sampled(connection, tree, _LOOKED_AT // (len(edges) - 1))
            bars = [look.bar(start, end) for start, end in zip(edges, edges[1:], strict=False)]
        return Histogram(bars=bars, exact=look.exact)


class _Sampled:
    """Counts stretches of time: all logs in them by the index, those that match in a sample."""

    def __init__(self, connection: Connection, tree: Tree, most: int) -> None:
        self._connection, self._most = connection, most
        self._matches = where(tree)
        self._all = all(isinstance(part, Condition) and part.field == "created_at" for part in required(tree))
        self._since, self._until = _bounds(tree)
        self._until_time = time.monotonic() + _SECONDS
        #: whether no sample was needed so far
        self.exact = True

    def bar(self, start: float, end: float) -> Bar:
        """How many match in a stretch."""
        at = logs.c.created_at
        inside = (at >= max(start, self._since), at < min(end, self._until))
        total = self._connection.execute(select(func.count()).select_from(logs).where(*inside)).scalar_one()
        if self._all or not total:
            return Bar(start=start, end=end, count=total)
        counted = select(func.count()).select_from(logs).where(self._matches, *inside)
        looked = total
        most = self._most if time.monotonic() < self._until_time else _SMALL
        if total > most:
            newest = select(at, logs.c.id).where(*inside).order_by(at.desc(), logs.c.id.desc())
            last = self._connection.execute(newest.offset(most - 1).limit(1)).one()
            counted = counted.where(tuple_(at, logs.c.id) >= tuple_(*last))
            looked, self.exact = most, False
        by_time = counted.with_hint(logs, "INDEXED BY logs_newest", "sqlite")
        found = self._connection.execute(by_time).scalar_one()
        return Bar(start=start, end=end, count=round(found * total / looked))


def _of(moments: Sequence[float], buckets: int) -> Histogram:
    if not moments:
        return Histogram(bars=(), exact=True)
    edges = _edges(min(moments), max(moments), buckets)
    width = edges[1] - edges[0]
    counts = Counter(int((moment - edges[0]) // width) for moment in moments)
    pairs = enumerate(zip(edges, edges[1:], strict=False))
    return Histogram(bars=[Bar(start=a, end=b, count=counts[i]) for i, (a, b) in pairs], exact=True)


def _edges(first: float, last: float, buckets: int) -> list[float]:
    """Where stretches begin and end, at round times."""
    width: float = next((w for w in _WIDTHS if _stretches(first, last, w) <= buckets), _WIDTHS[-1])
    while _stretches(first, last, width) > buckets:
        width *= 2
    begin = math.floor(first / width) * width
    return [begin + i * width for i in range(_stretches(first, last, width) + 1)]


def _stretches(first: float, last: float, width: float) -> int:
    return math.floor(last / width) - math.floor(first / width) + 1


def _span(connection: Connection, tree: Tree) -> tuple[float, float] | None:
    """The times of the first and the last log that can match."""
    since, until = _bounds(tree)
    at = logs.c.created_at
    inside = (at >= since, at < until)
    first = connection.execute(select(func.min(at)).where(*inside)).scalar_one()
    last = connection.execute(select(func.max(at)).where(*inside)).scalar_one()
    return None if first is None or last is None else (first, last)


def _bounds(tree: Tree) -> tuple[float, float]:
    """The stretch of time that the conditions which must be true leave."""
    since, until = -1e300, 1e300
    for part in required(tree):
        if isinstance(part, Condition) and part.field == "created_at" and part.op in (">", ">=", "<", "<="):
            (value,) = part.values
            assert isinstance(value, float)
            if part.op.startswith(">"):
                since = max(since, value if part.op == ">=" else math.nextafter(value, math.inf))
            else:
                until = min(until, value if part.op == "<" else math.nextafter(value, math.inf))
    return since, until
