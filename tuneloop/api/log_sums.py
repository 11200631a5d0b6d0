"""Many logs at once: how many there are, when they were made, one score for all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from tuneloop import bulk_scores, filters
from tuneloop.api import routing
from tuneloop.loop import Loop

Buckets = Annotated[int, Query(ge=1, le=500)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    logs = loop.store.logs

    @routes.get("/logs/count")
    def count_logs(where: str = "") -> dict[str, Any]:
        return {"object": "log.count", "count": logs.search.count(filters.parse(where)).count}

    @routes.get("/logs/histogram")
    def logs_by_time(where: str = "", buckets: Buckets = 60) -> dict[str, Any]:
        found = logs.times.histogram(filters.parse(where), buckets)
        return {"object": "list", "data": list(found.bars), "exact": found.exact}

    @routes.post("/feedback/bulk")
    def give_bulk_feedback(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return {"object": "feedback.bulk", "scored": bulk_scores.give(loop.store, body)}

    return routes
