"""Rows made of stored chat completions: what was asked is `item.input`, the answer the sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from tuneloop import calls
from tuneloop.evals.rows import Row
from tuneloop.store import Store
from tuneloop.store.stored import Kept
from tuneloop.types import Json

_PAGE = 100


def rows(store: Store, source: Mapping[str, Any], metadata: Mapping[str, str], before: float) -> Iterator[Row]:
    """Those that a source's filters let through and that were there before a moment, oldest first. `metadata` are the
    eval's own pairs, which must match as well."""
    wanted = {**metadata, **(source.get("metadata") or {})}
    earliest, latest = source.get("created_after") or 0, source.get("created_before")
    latest = before if latest is None else min(before, latest)
    found = (kept for kept in _all(store, source.get("model"), wanted) if earliest <= kept[1].created_at <= latest)
    yield from islice((row for row in map(_row, found) if row is not None), source.get("limit"))


def _all(store: Store, model: str | None, metadata: Mapping[str, str]) -> Iterator[Kept]:
    after: str | None = None
    more = True
    while more:
        page, more = store.stored.page("chat", model=model, metadata=metadata, limit=_PAGE, after=after)
        yield from page
        after = page[-1][0].id if page else None


def _row(kept: Kept) -> Row | None:
    """None for a call that has no messages or no answer."""
    item, log = kept
    request, answer = calls.parse(log.request), calls.whole(log.response)
    if not isinstance(request, dict) or not isinstance(request.get("messages"), list) or not isinstance(answer, dict):
        return None
    asked: list[Json] = request["messages"]
    given = {"id": item.id, "model": item.model, "metadata": dict(item.metadata), "input": asked}
    seen = {"model": answer.get("model") or item.model, "choices": answer.get("choices"), "input": asked}
    return Row(given, {**seen, "usage": answer.get("usage")})
