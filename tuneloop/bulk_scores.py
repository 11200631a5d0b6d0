"""Many Logs scored at once: those that a filter matches, or those that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tuneloop import filters, scores
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.batches import batches
from tuneloop.store.ids import new_id


def give(store: Store, fields: Mapping[str, Any]) -> int:
    """Score the Logs that match `where`, or those of `ids`; the other fields are as in `scores.give`. Returns how many
    were scored. Raises InvalidInput, and NotFound (before any is scored) when an id is no Log's."""
    said = {name: value for name, value in fields.items() if name not in ("where", "ids")}
    for name in ("correction", "log_id", "metadata", "metadata_id"):
        if said.get(name) is not None:
            raise InvalidInput(f"{name!r} is for one call alone; POST /v1/feedback takes it", param=name)
    score = scores.read({"name": "rating", **said}, "", score_id=new_id("score_"))
    ids = _chosen(store, fields)
    for batch in batches(ids):
        store.scores.add([replace(score, id=new_id("score_"), log_id=log_id) for log_id in batch])
    return len(ids)


def _chosen(store: Store, fields: Mapping[str, Any]) -> Sequence[str]:
    where, ids = fields.get("where"), fields.get("ids")
    if (where is None) == (ids is None):
        raise InvalidInput("say which calls: either 'where', a filter, or 'ids', a list of their ids", param="where")
    if ids is None:
        if not isinstance(where, str):
            raise InvalidInput(f"'where' must be a filter, a text, not {where!r}", param="where")
        return [place.id for place in store.logs.search.find(filters.parse(where), limit=_ALL).places]
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidInput("'ids' must be a list of the ids of logs", param="ids")
    once = list(dict.fromkeys(ids))
    have = {log.id for log in store.logs.named(once, short=True)}
    missing = next((one for one in once if one not in have), None)
    if missing is not None:
        raise NotFound(f"no log {missing!r}; none was scored", param="ids")
    return once


#: more than there are
_ALL = 1 << 40
