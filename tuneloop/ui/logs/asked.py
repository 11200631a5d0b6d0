"""What the Logs page is asked for, as it stands in its URL; and what it finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuneloop import filters
from tuneloop.filters import Tree
from tuneloop.store import Store
from tuneloop.store.log_search import ORDERS, Order, Place
from tuneloop.types import Log, Score

#: logs on a page
MANY = 50
#: seconds that are looked for a page of logs, and for how many there are
LOOKS, COUNTS = 0.15, 0.3


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Which logs, in which order, from where on."""

    where: str
    tree: Tree
    order: Order
    at: Place | None
    #: whether to look for those before the place, and not behind it
    back: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A page of logs, without their bytes, and where the pages beside it begin."""

    logs: Sequence[Log]
    scores: Mapping[str, Sequence[Score]]
    newer: Place | None
    older: Place | None
    #: whether time was up before the page was full
    stopped: bool


def asked(query: Mapping[str, str]) -> Asked:
    """What a URL's query asks for; what it says wrongly of the order and the place is left out. Raises InvalidInput
    when its filter cannot be read."""
    where, order = query.get("where", ""), query.get("order", "created_at")
    return Asked(
        where=where,
        tree=filters.parse(where),
        order=order if order in ORDERS else "created_at",
        at=_place(query.get("at", "")),
        back=query.get("to") == "newer",
    )


def written(place: Place | None) -> str | None:
    """A place as it stands in a URL."""
    return None if place is None else f"{place.value!r},{place.id}"


def look(store: Store, wanted: Asked) -> Shown:
    """The page that is asked for; the first one where there are too few before the place to fill one."""
    search = store.logs.search
    if wanted.at is not None and wanted.back:
        found = search.find(wanted.tree, order=wanted.order, limit=MANY, at=wanted.at, forward=True, seconds=LOOKS)
        if found.on is not None:
            places = found.places[::-1]
            older = places[-1] if places else wanted.at
            return _shown(store, places, newer=found.on, older=older)
        wanted = Asked(where=wanted.where, tree=wanted.tree, order=wanted.order, at=None, back=False)
    found = search.find(wanted.tree, order=wanted.order, limit=MANY, at=wanted.at, seconds=LOOKS)
    newer = None if wanted.at is None else found.places[0] if found.places else wanted.at
    return _shown(store, found.places, newer=newer, older=found.on)


def newer(store: Store, wanted: Asked, first: Place | None, most: int) -> int:
    """How many logs that match have come since the first one that is shown; `most` at most."""
    found = store.logs.search.find(wanted.tree, limit=most, at=first, forward=True, seconds=LOOKS)
    return len(found.places)


def _shown(store: Store, places: Sequence[Place], *, newer: Place | None, older: Place | None) -> Shown:
    ids = [place.id for place in places]
    logs = store.logs.named(ids, short=True)
    stopped = len(places) < MANY and (older is not None)
    return Shown(logs=logs, scores=store.scores.of(ids), newer=newer, older=older, stopped=stopped)


def _place(text: str) -> Place | None:
    value, comma, log_id = text.partition(",")
    try:
        return Place(float(value), log_id) if comma else None
    except ValueError:
        return None
