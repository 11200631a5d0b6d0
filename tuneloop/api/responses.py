"""OpenAI's stored responses."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tuneloop import responses
from tuneloop.api import routing, shapes
from tuneloop.api.query import Limit, Order, ascending, cut
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.get("/responses/{response_id}")
    def retrieve_response(response_id: str, stream: bool = False) -> dict[str, Any]:
        if stream:
            raise InvalidInput("Responses are streamed while they are made: leave 'stream' away.", param="stream")
        return responses.get(store, response_id)

    @routes.delete("/responses/{response_id}")
    def delete_response(response_id: str) -> dict[str, Any]:
        responses.delete(store, response_id)
        return {"id": response_id, "object": "response", "deleted": True}

    @routes.post("/responses/{response_id}/cancel")
    def cancel_response(response_id: str) -> dict[str, Any]:
        responses.cancel(store, response_id)

    @routes.get("/responses/{response_id}/input_items")
    def list_input_items(
        response_id: str, limit: Limit = 20, after: str | None = None, order: Order = "desc"
    ) -> dict[str, Any]:
        items = responses.input_items(store, response_id)
        found, more = cut(items, limit=limit, after=after, ascending=ascending(order))
        return shapes.page(found, more, dict)

    return routes
