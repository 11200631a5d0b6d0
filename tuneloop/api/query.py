"""What routes read from a query string alike: how many, in which order, with which metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import Query, Request

from tuneloop.errors import InvalidInput, NotFound

Limit = Annotated[int, Query(ge=1, le=100)]
ManyLimit = Annotated[int, Query(ge=1, le=10000)]
Order = Literal["asc", "desc"]


def metadata_filter(request: Request) -> dict[str, str]:
    """The pairs of `metadata[key]=value`."""
    pairs = request.query_params.items()
    return {key[9:-1]: value for key, value in pairs if key.startswith("metadata[") and key.endswith("]")}


def with_metadata(wanted: Mapping[str, str]) -> Callable[[Any], bool] | None:
    """Whether an item's `metadata` has all these values: what `NounTable.page` takes as `keep`; None when all do."""
    return (lambda item: wanted.items() <= dict(item.metadata or {}).items()) if wanted else None


def cut(
    items: Sequence[dict[str, Any]], *, limit: int, after: str | None, ascending: bool
) -> tuple[list[dict[str, Any]], bool]:
    """A page of items that are all in memory, oldest first: those behind `after`, and whether there are more. Raises
    NotFound."""
    ordered = list(items) if ascending else list(reversed(items))
    ids = [item["id"] for item in ordered]
    if after is not None and after not in ids:
        raise NotFound(f"no item {after!r}", param="after")
    start = 0 if after is None else ids.index(after) + 1
    return ordered[start : start + limit], len(ordered) > start + limit


def ascending(order: str) -> bool:
    """Whether `order` is "asc". Raises InvalidInput when it is not "desc" either."""
    if order not in ("asc", "desc"):
        raise InvalidInput(f"'order' must be 'asc' or 'desc', not {order!r}", param="order")
    return order == "asc"
