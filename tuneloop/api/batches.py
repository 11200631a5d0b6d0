"""OpenAI's batches: many calls as one file."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import batches
from tuneloop.api import routing, shapes
from tuneloop.api.query import Limit
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/batches")
    def create_batch(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        batch = batches.create(store, body)
        loop.enqueue("batches", batch.id)
        return shapes.batch(batch)

    @routes.get("/batches")
    def list_batches(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.batches.page(limit=limit, after=after)
        return shapes.page(found, more, shapes.batch)

    @routes.get("/batches/{batch_id}")
    def retrieve_batch(batch_id: str) -> dict[str, Any]:
        return shapes.batch(batches.get(store, batch_id))

    @routes.post("/batches/{batch_id}/cancel")
    def cancel_batch(batch_id: str) -> dict[str, Any]:
        return shapes.batch(batches.cancel(store, batch_id))

    return routes
