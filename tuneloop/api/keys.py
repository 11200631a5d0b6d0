"""API keys: list, make, take back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields, keys
from tuneloop.api import routing, shapes
from tuneloop.api.query import ManyLimit, cut
from tuneloop.loop import Loop
from tuneloop.person_types import ApiKey


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()

    @routes.post("/keys")
    def create_key(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        made, secret = keys.create(loop.store, fields.typed(fields.required(body, "name"), str, "name"))
        loop.routes.forget()
        return {**_key(made), "key": secret}

    @routes.get("/keys")
    def list_keys(limit: ManyLimit = 100, after: str | None = None) -> dict[str, Any]:
        all_of_them = [_key(key) for key in keys.listed(loop.store, loop.settings.api_key)]
        found, more = cut(all_of_them, limit=limit, after=after, ascending=True)
        return shapes.page(found, more, dict)

    @routes.delete("/keys/{key_id}")
    def delete_key(key_id: str) -> dict[str, Any]:
        keys.delete(loop.store, key_id)
        loop.routes.forget()
        return {"id": key_id, "object": "api_key.deleted", "deleted": True}

    return routes


def _key(item: ApiKey) -> dict[str, Any]:
    return {"object": "api_key", **asdict(item), "preset": item.id == keys.PRESET}
