"""OpenAI's permissions of projects to use checkpoints."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body

from tuneloop import permissions
from tuneloop.api import routing, shapes
from tuneloop.api.query import ManyLimit
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/fine_tuning/checkpoints/{model:path}/permissions")
    def grant_permissions(model: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return shapes.page(permissions.grant(store, model, body), False, shapes.permission)

    @routes.get("/fine_tuning/checkpoints/{model:path}/permissions")
    def list_permissions(
        model: str,
        project_id: str | None = None,
        limit: ManyLimit = 10,
        after: str | None = None,
        order: Literal["ascending", "descending"] = "descending",
    ) -> dict[str, Any]:
        ascending = order == "ascending"
        found, more = permissions.page(store, model, project_id, limit=limit, after=after, ascending=ascending)
        return shapes.page(found, more, shapes.permission)

    @routes.delete("/fine_tuning/checkpoints/{model:path}/permissions/{permission_id}")
    def revoke_permission(model: str, permission_id: str) -> dict[str, Any]:
        permissions.revoke(store, model, permission_id)
        return {"id": permission_id, "object": "checkpoint.permission", "deleted": True}

    return routes
