"""OpenAI's evals, their runs and output items."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body

from tuneloop.api import eval_shapes, routing, shapes
from tuneloop.api.query import ManyLimit, Order
from tuneloop.eval_types import EvalRun
from tuneloop.evals import definitions, runs
from tuneloop.loop import Loop
from tuneloop.store import eval_tables

RunStatus = Literal["queued", "in_progress", "completed", "canceled", "failed"]
#: the second spelling is that of OpenAI's documentation
ItemStatus = Literal["fail", "failed", "pass", "error"]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _evals(routes, loop)
    _runs(routes, loop)
    _items(routes, loop)
    return routes


def _evals(routes: APIRouter, loop: Loop) -> None:
    store, table = loop.store, eval_tables.evals

    @routes.post("/evals", status_code=201)
    def create_eval(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return eval_shapes.eval_(definitions.create(store, body))

    @routes.get("/evals")
    def list_evals(
        limit: ManyLimit = 20,
        after: str | None = None,
        order: Order = "asc",
        order_by: Literal["created_at", "updated_at"] = "created_at",
    ) -> dict[str, Any]:
        columns = (table.c.updated_at, table.c.id) if order_by == "updated_at" else ()
        found, more = store.evals.page(limit=limit, after=after, ascending=order == "asc", order=columns)
        return shapes.page(found, more, eval_shapes.eval_)

    @routes.get("/evals/{eval_id}")
    def retrieve_eval(eval_id: str) -> dict[str, Any]:
        return eval_shapes.eval_(definitions.get(store, eval_id))

    @routes.post("/evals/{eval_id}")
    def update_eval(eval_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return eval_shapes.eval_(definitions.update(store, eval_id, body))

    @routes.delete("/evals/{eval_id}")
    def delete_eval(eval_id: str) -> dict[str, Any]:
        definitions.delete(store, eval_id)
        return {"object": "eval.deleted", "deleted": True, "eval_id": eval_id}


def _runs(routes: APIRouter, loop: Loop) -> None:
    store, table = loop.store, eval_tables.eval_runs

    def shape(run: EvalRun) -> dict[str, Any]:
        return eval_shapes.run(run, loop.url or "")

    @routes.post("/evals/{eval_id}/runs", status_code=201)
    def create_run(eval_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        run = runs.create(store, eval_id, body, knows=loop.routes.route)
        loop.enqueue("eval-runs", run.id)
        return shape(run)

    @routes.get("/evals/{eval_id}/runs")
    def list_runs(
        eval_id: str,
        limit: ManyLimit = 20,
        after: str | None = None,
        order: Order = "asc",
        status: RunStatus | None = None,
    ) -> dict[str, Any]:
        conditions = [table.c.eval_id == definitions.get(store, eval_id).id]
        if status is not None:
            conditions.append(table.c.status == status)
        found, more = store.eval_runs.page(*conditions, limit=limit, after=after, ascending=order == "asc")
        return shapes.page(found, more, shape)

    @routes.get("/evals/{eval_id}/runs/{run_id}")
    def retrieve_run(eval_id: str, run_id: str) -> dict[str, Any]:
        return shape(runs.get(store, eval_id, run_id))

    @routes.post("/evals/{eval_id}/runs/{run_id}")
    @routes.post("/evals/{eval_id}/runs/{run_id}/cancel")
    def cancel_run(eval_id: str, run_id: str) -> dict[str, Any]:
        return shape(runs.cancel(store, eval_id, run_id))

    @routes.delete("/evals/{eval_id}/runs/{run_id}")
    def delete_run(eval_id: str, run_id: str) -> dict[str, Any]:
        runs.delete(store, eval_id, run_id)
        return {"object": "eval.run.deleted", "deleted": True, "run_id": run_id}


def _items(routes: APIRouter, loop: Loop) -> None:
    store, table = loop.store, eval_tables.eval_items

    @routes.get("/evals/{eval_id}/runs/{run_id}/output_items")
    def list_output_items(
        eval_id: str,
        run_id: str,
        limit: ManyLimit = 20,
        after: str | None = None,
        order: Order = "asc",
        status: ItemStatus | None = None,
    ) -> dict[str, Any]:
        conditions = [table.c.run_id == runs.get(store, eval_id, run_id).id]
        if status is not None:
            conditions.append(table.c.status == ("fail" if status == "failed" else status))
        found, more = store.eval_items.page(*conditions, limit=limit, after=after, ascending=order == "asc")
        return shapes.page(found, more, eval_shapes.output_item)

    @routes.get("/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}")
    def retrieve_output_item(eval_id: str, run_id: str, output_item_id: str) -> dict[str, Any]:
        return eval_shapes.output_item(runs.item(store, eval_id, run_id, output_item_id))
