"""What routes read from a query string alike: how many, in which order, with which metadata."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request

from tuneloop.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=100)]
ManyLimit = Annotated[int, Query(ge=1, le=10000)]


def metadata_filter(request: Request) -> dict[str, str]:
    """The pairs of `metadata[key]=value`."""
    pairs = request.query_params.items()
    return {key[9:-1]: value for key, value in pairs if key.startswith("metadata[") and key.endswith("]")}


def ascending(order: str) -> bool:
    """Whether `order` is "asc". Raises InvalidInput when it is not "desc" either."""
    if order not in ("asc", "desc"):
        raise InvalidInput(f"'order' must be 'asc' or 'desc', not {order!r}", param="order")
    return order == "asc"
