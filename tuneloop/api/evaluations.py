"""Evaluations: what was compared, the verdicts, and their reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body
from fastapi.responses import Response

from tuneloop import fields
from tuneloop.api import routing, shapes
from tuneloop.api.own import Limit
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.types import Evaluation
from tuneloop.vote_types import Vote

if TYPE_CHECKING:
    from tuneloop.votes import Result

#: of a report: the ending of its file, and its type
_FORMS = {
    "html": (".html", "text/html"),
    "markdown": (".md", "text/markdown"),
    "json": (".json", "application/json"),
}


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _doing(routes, loop)
    _reading(routes, loop)
    _voting(routes, loop)
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
    def evaluation_report(evaluation_id: str, form: Literal["html", "markdown", "json"] = "html") -> Response:
        from tuneloop import reports

        found = store.evaluations.get(evaluation_id)
        if found.status != "completed":
            raise InvalidInput(f"the evaluation {found.id} has no report: it is {found.status}", param="evaluation_id")
        ending, kind = _FORMS[form]
        return Response(reports.write(found.id, found.report, ending), media_type=kind)


def _voting(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.get("/evaluations/{evaluation_id}/ballot")
    def next_ballot(
        evaluation_id: str,
        user: str,
        baseline: str | None = None,
        candidate: str | None = None,
        after: str | None = None,
    ) -> dict[str, Any]:
        from tuneloop import votes

        found = store.evaluations.get(evaluation_id)
        ballot = votes.ballot(store, found, votes.pair(found, baseline, candidate), user, after=after)
        return {"object": "ballot", "evaluation_id": found.id, "ballot": None if ballot is None else asdict(ballot)}

    @routes.post("/evaluations/{evaluation_id}/votes")
    def cast_vote(evaluation_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        from tuneloop import votes

        found = store.evaluations.get(evaluation_id)
        sides = [fields.typed(body[name], str, name) if name in body else None for name in votes.Pair._fields]
        return _vote(votes.cast(store, found, votes.pair(found, *sides), body))

    @routes.get("/evaluations/{evaluation_id}/votes")
    def list_votes(evaluation_id: str, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        from tuneloop import votes

        found = store.evaluations.get(evaluation_id)
        cast, more = store.evaluations.votes.listed(found.id, limit=limit, after=after)
        return shapes.page(cast, more, _vote) | {"results": [_result(one) for one in votes.results(store, found)]}


def _evaluation(item: Evaluation) -> dict[str, Any]:
    return {"object": "evaluation", **asdict(item)}


def _vote(item: Vote) -> dict[str, Any]:
    return {"object": "vote", **asdict(item), "better": item.better}


def _result(item: Result) -> dict[str, Any]:
    counts = {name: getattr(item, name) for name in ("votes", "rows", "wins", "losses", "ties")}
    return {**item.pair._asdict(), **counts, "share": item.share._asdict(), "sentence": item.sentence}
