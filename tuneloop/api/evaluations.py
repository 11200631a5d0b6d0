"""Evaluations: what was compared, the verdicts, and their reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from tuneloop.api import routing, shapes
from tuneloop.api.own import Limit
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.types import Evaluation


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
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
        if found.status == "running":
            raise InvalidInput(f"the evaluation {found.id} is not completed", param="evaluation_id")
        if form == "html":
            return HTMLResponse(reports.write_page(found.report))
        return PlainTextResponse(reports.write_markdown(found.report), media_type="text/markdown")

    return routes


def _evaluation(item: Evaluation) -> dict[str, Any]:
    return {"object": "evaluation", **asdict(item)}
