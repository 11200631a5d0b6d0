"""Tuneloop's own routes: logs and feedback."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request

from tuneloop import filters, lineage, scores
from tuneloop.api import routing, shapes, traces
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.gateway import wire
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.protocols import Cost
from tuneloop.store.ids import new_id

Limit = Annotated[int, Query(ge=1, le=1000)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _logs(routes, loop)
    return routes


def _logs(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.get("/logs")
    def list_logs(
        where: str = "",
        trace_id: str | None = None,
        span_id: str | None = None,
        parent_id: str | None = None,
        limit: Limit = 20,
        after: str | None = None,
    ) -> dict[str, Any]:
        place = traces.placed(trace_id=trace_id, span_id=span_id, parent_id=parent_id)
        found, more = store.logs.page(filters.All((filters.parse(where), *place)), limit=limit, after=after)
        of = store.scores.of([log.id for log in found])
        return shapes.page(found, more, lambda log: shapes.log(log, of[log.id]))

    @routes.get("/logs/{log_id}")
    def retrieve_log(log_id: str) -> dict[str, Any]:
        log = store.logs.get(log_id)
        return shapes.log(log, store.scores.of([log.id])[log.id])

    @routes.post("/logs")
    async def create_logs(request: Request) -> Any:
        if await traces.are_events(request):  # an OTLP exporter has its logs beside its traces
            return await traces.take(loop, request, "logs")
        body = await request.body()
        return await loop.in_thread(_take_logs, loop, body, request.headers.get("content-type", ""))

    @routes.post("/feedback")
    def give_feedback(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return shapes.score(scores.give(store, body))

    @routes.delete("/feedback/{score_id}")
    def take_back_feedback(score_id: str) -> dict[str, Any]:
        return {"id": scores.take_back(store, score_id).id, "object": "score.deleted", "deleted": True}

    @routes.get("/logs/{log_id}/lineage")
    def retrieve_lineage(log_id: str) -> dict[str, Any]:
        return shapes.lineage(lineage.of_log(store, log_id))


def _take_logs(loop: Loop, body: bytes, content_type: str) -> dict[str, Any]:
    rows, many = _rows(body, content_type)
    made = [_imported(row, i if many else None, loop.prices.cost) for i, row in enumerate(rows)]
    return _write_logs(loop, made, many)


def _rows(body: bytes, content_type: str) -> tuple[list[Any], bool]:
    """The calls in a body: an object, a list of them, {"data": [...]}, or one a line."""
    if "ndjson" in content_type or "jsonl" in content_type or "json-lines" in content_type:
        return [wire.parse_json(line) for line in body.splitlines() if line.strip()], True
    wire.check_json(content_type.encode("latin-1"))
    value = wire.parse_json(body)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    return (value, True) if isinstance(value, list) else ([value], False)


def _imported(row: Any, index: int | None, cost: Cost) -> formats.Imported:
    where = "" if index is None else f"data[{index}]: "
    if not isinstance(row, dict):
        raise InvalidInput(f"{where}expected an object, not {type(row).__name__}")
    # A caller's own id makes a repeated call recognisable; without one, every call is a new one.
    log_id = None if isinstance(row.get("id"), str) else new_id("log_")
    try:
        return formats.to_log(row, source="api", cost=cost, log_id=log_id)
    except TuneloopError as error:
        raise InvalidInput(f"{where}{error.message}", param=error.param) from error


def _write_logs(loop: Loop, made: list[formats.Imported], many: bool) -> dict[str, Any]:
    added = loop.store.logs.add([imported.log for imported in made])
    loop.store.scores.add([score for imported in made for score in imported.scores])
    if not many:
        return shapes.log(made[0].log, made[0].scores)
    ids = [{"id": imported.log.id} for imported in made]
    return {"object": "list", "data": ids, "added": added, "known": len(made) - added}
