"""OpenAI's stored chat completions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from tuneloop import chats
from tuneloop.api import routing, shapes
from tuneloop.api.query import Limit, Order, ascending, cut, metadata_filter
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    stored, store = loop.store.stored, loop.store

    @routes.get("/chat/completions")
    def list_chat_completions(
        request: Request, model: str | None = None, limit: Limit = 20, after: str | None = None, order: Order = "asc"
    ) -> dict[str, Any]:
        wanted = metadata_filter(request)
        found, more = stored.page(
            "chat", model=model, metadata=wanted, limit=limit, after=after, ascending=ascending(order)
        )
        return shapes.page(found, more, chats.completion)

    @routes.get("/chat/completions/{completion_id}")
    def retrieve_chat_completion(completion_id: str) -> dict[str, Any]:
        return chats.completion(chats.get(store, completion_id))

    @routes.post("/chat/completions/{completion_id}")
    def change_chat_completion(completion_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return chats.completion(chats.change(store, completion_id, body))

    @routes.delete("/chat/completions/{completion_id}")
    def delete_chat_completion(completion_id: str) -> dict[str, Any]:
        chats.delete(store, completion_id)
        return {"id": completion_id, "object": "chat.completion.deleted", "deleted": True}

    @routes.get("/chat/completions/{completion_id}/messages")
    def list_chat_messages(
        completion_id: str, limit: Limit = 20, after: str | None = None, order: Order = "asc"
    ) -> dict[str, Any]:
        messages = chats.messages(chats.get(store, completion_id))
        found, more = cut(messages, limit=limit, after=after, ascending=ascending(order))
        return shapes.page(found, more, dict)

    return routes
