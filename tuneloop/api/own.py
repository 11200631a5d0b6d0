"""Tuneloop's own routes: logs, feedback, datasets and deployments."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import StreamingResponse

from tuneloop import datasets, deployments, filters, scores
from tuneloop.api import routing, shapes, traces
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.gateway import wire
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.protocols import Cost, Method
from tuneloop.store.ids import new_id
from tuneloop.types import Split

Limit = Annotated[int, Query(ge=1, le=1000)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _logs(routes, loop)
    _datasets(routes, loop)
    _deployments(routes, loop)
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


def _datasets(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/datasets")
    def create_dataset(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        name, where, split = body.get("name"), body.get("where", ""), body.get("split", "80/10/10")
        if not isinstance(name, str) or not isinstance(where, str) or not isinstance(split, str):
            raise InvalidInput("give 'name', and optionally 'where' and 'split' ('80/10/10'), as texts", param="name")
        made = datasets.create(store, name, where=where, shares=datasets.parse_shares(split))
        return shapes.dataset(made, datasets.warnings(made))

    @routes.get("/datasets")
    def list_datasets(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.datasets.page(limit=limit, after=after)
        return shapes.page(found, more, shapes.dataset)

    @routes.get("/datasets/{name}")
    def retrieve_dataset(name: str) -> dict[str, Any]:
        found = store.datasets.named(name)
        return shapes.dataset(found, datasets.warnings(found))

    @routes.get("/datasets/{name}/content")
    def dataset_content(name: str, split: Split | None = None, method: Method = "supervised") -> StreamingResponse:
        rows = store.datasets.rows(store.datasets.named(name).id, split)
        return StreamingResponse(datasets.export(rows, method), media_type="application/jsonl")


def _deployments(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/deployments")
    def deploy(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        alias, model, note = body.get("alias"), body.get("model"), body.get("note")
        if not isinstance(alias, str) or not isinstance(model, str):
            raise InvalidInput("give 'alias' and 'model' as texts", param="alias")
        if (evaluation := body.get("evaluation")) is not None:
            deployments.check_verdict(store.evaluations.get(str(evaluation), param="evaluation"), model)
        made = deployments.deploy(
            store,
            alias,
            model,
            exists=loop.routes.exists,
            note=None if note is None else str(note),
            prompt=_told(loop, model, body.get("prompt")),
        )
        loop.routes.forget()
        return shapes.deployment(made)

    @routes.get("/deployments")
    def list_deployments(alias: str | None = None) -> dict[str, Any]:
        found = store.deployments.history(alias) if alias else store.deployments.all()
        return shapes.page(found, False, shapes.deployment)

    @routes.post("/deployments/{alias:path}/rollback")
    def roll_back(alias: str) -> dict[str, Any]:
        made = deployments.rollback(store, alias)
        loop.routes.forget()
        return shapes.deployment(made)


def _told(loop: Loop, model: str, prompt: Any) -> str | None:
    from tuneloop import comparing

    if prompt is not None and not isinstance(prompt, str):
        raise InvalidInput("'prompt' names a Prompt (support-short@1), or is \"\" for none", param="prompt")
    return comparing.told(loop, model, prompt)
