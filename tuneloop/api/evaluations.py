"""Evaluations: what was compared, the verdicts, and their reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from tuneloop.api import routing, shapes
from tuneloop.api.own import Limit
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.types import Evaluation


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _doing(routes, loop)
    _reading(routes, loop)
    return routes


def _doing(routes: APIRouter, loop: Loop) -> None:
    @routes.post("/evaluations")
    def create_evaluation(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        from tuneloop import evaluating  # brings in SciPy, and a server is to start at once

        return _evaluation(evaluating.create(loop, body))

    @routes.post("/evaluations/{evaluation_id}/cancel")
    def cancel_evaluation(evaluation_id: str) -> dict[str, Any]:
        from tuneloop import evaluating

        return _evaluation(evaluating.cancel(loop.store, evaluation_id))

    @routes.delete("/evaluations/{evaluation_id}")
    def delete_evaluation(evaluation_id: str) -> dict[str, Any]:
        from tuneloop import evaluating

        evaluating.delete(loop.store, evaluation_id)
        return {"id": evaluation_id, "object": "evaluation.deleted", "deleted": True}


def _reading(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.get("/evaluations")
    def list_evaluations(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.evaluations.page(limit=limit, after=after)
        return shapes.page(found, more, _evaluation)

    @routes.get("/evaluations/{evaluation_id}")
    def retrieve_evaluation(evaluation_id: str) -> dict[str, Any]:
        return _evaluation(store.evaluations.get(evaluation_id))

    @routes.get("/evaluations/{evaluation_id}/report")
    def evaluation_report(evaluation_id: str, form: Literal["html", "markdown"] = "html") -> Response:
        from tuneloop import reports

        found = store.evaluations.get(evaluation_id)
        if found.status != "completed":
            raise InvalidInput(f"the evaluation {found.id} has no report: it is {found.status}", param="evaluation_id")
        if form == "html":
            return HTMLResponse(reports.write_page(found.report))
        return PlainTextResponse(reports.write_markdown(found.report), media_type="text/markdown")


def _evaluation(item: Evaluation) -> dict[str, Any]:
    return {"object": "evaluation", **asdict(item)}
