"""OpenAI's models: what there is to call."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tuneloop import models, origins
from tuneloop.api import routing, shapes
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts. An id may hold slashes and colons, percent-encoded or not."""
    routes = routing.routes()

    @routes.get("/models")
    def list_models() -> dict[str, Any]:
        catalog = loop.routes.catalog()
        found = [*catalog.tuned.values(), *catalog.base.values(), *catalog.upstream.values()]
        aliases = [shapes.alias(name, target) for name, target in sorted(catalog.aliases.items())]
        return shapes.page([*aliases, *map(shapes.model, found)], False, dict)

    @routes.get("/models/{name:path}/lineage")
    def retrieve_lineage(name: str) -> dict[str, Any]:
        return shapes.origin(origins.of(loop.store, loop.routes.catalog().aliases.get(name, name)))

    @routes.get("/models/{name:path}")
    def retrieve_model(name: str) -> dict[str, Any]:
        aliases = loop.routes.catalog().aliases
        return shapes.alias(name, aliases[name]) if name in aliases else shapes.model(loop.routes.route(name).model)

    @routes.delete("/models/{name:path}")
    def delete_model(name: str) -> dict[str, Any]:
        models.delete(loop.store, name, loop.routes.catalog())
        loop.routes.forget()
        return {"id": name, "object": "model", "deleted": True}

    return routes
