"""Logs one after the other: what is next to one in a list, and what is still to be rated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import or_, select

from tuneloop import filters
from tuneloop.errors import NotFound
from tuneloop.filters import Condition, Tree
from tuneloop.store.database import Database
from tuneloop.store.log_search import Order
from tuneloop.store.logs import LogTable
from tuneloop.store.schema import scores

#: seconds to look for the logs beside one, and for those to be rated
_BESIDE, _LOOKS = 0.15, 1.0
#: scores of one sitting
_SAID = 4000
_RATED: tuple[Tree, ...] = (
    Condition(field="score", key="rating", op="exists"),
    Condition(field="corrected", op="exists"),
)


class Beside(NamedTuple):
    """The ids of the logs after and before one in a list; None at its ends, and where a long look finds none."""

    after: str | None
    before: str | None


class Row(NamedTuple):
    """The ids of logs, newest first, and whether there are more."""

    ids: list[str]
    more: bool


def beside(logs: LogTable, log_id: str, tree: Tree, order: Order) -> Beside:
    """What is next to a log among those that match, whether it matches itself or not."""
    try:
        place = logs.place(log_id, order)
    except NotFound:  # it has no cost, say
        return Beside(None, None)
    after, before = (
        logs.search.find(tree, order=order, limit=1, at=place, forward=forward, seconds=_BESIDE).places
        for forward in (False, True)
    )
    return Beside(*(found[0].id if found else None for found in (after, before)))


def answered(logs: LogTable, tree: Tree, *, until: float, limit: int) -> Row:
    """The calls that match, were made until then, and have an answer that can be judged."""
    found = logs.search.find(filters.All((tree, *_judged(until))), limit=limit, seconds=_LOOKS)
    return Row([place.id for place in found.places], found.on is not None)


def unrated(logs: LogTable, tree: Tree, *, until: float, limit: int) -> Row:
    """Those of them that nobody had rated or corrected until then, whatever has been said of them since."""
    wanted = (tree, *_judged(until))
    found = logs.search.find(filters.All((*wanted, filters.Not(filters.Any(_RATED)))), limit=limit, seconds=_LOOKS)
    since = _rated_since(logs.database, until)
    again = logs.search.find(filters.All((_named(since), *wanted)), limit=len(since)).places if since else []
    places = sorted({*found.places, *again}, key=lambda place: (place.value, place.id), reverse=True)
    return Row([place.id for place in places[:limit]], found.on is not None or len(places) > limit)


def _rated_since(database: Database, moment: float) -> list[str]:
    """The ids of logs that got their first rating after a moment."""
    ratings = or_((scores.c.name == "rating") & scores.c.kind.is_not(None), scores.c.correction.is_not(None))
    query = select(scores.c.log_id).where(ratings)
    with database.read() as connection:
        new = set(connection.execute(query.where(scores.c.created_at >= moment).limit(_SAID)).scalars())
        old = connection.execute(query.where(scores.c.log_id.in_(new), scores.c.created_at < moment)).scalars()
        return sorted(new - set(old))


def _judged(until: float) -> tuple[Tree, ...]:
    return (
        Condition(field="created_at", op="<=", values=(until,)),
        Condition(field="status", op="<", values=(400.0,)),
        filters.Not(Condition(field="output", op="=", values=("",))),
    )


def _named(ids: Sequence[str]) -> Tree:
    return Condition(field="id", op="in", values=tuple(ids))
