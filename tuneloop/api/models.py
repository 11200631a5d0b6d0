"""OpenAI's models: what there is to call."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tuneloop import models
from tuneloop.api import shapes
from tuneloop.errors import ModelNotFound
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = APIRouter(prefix="/v1")

    @routes.get("/models")
    def list_models() -> dict[str, Any]:
        catalog = loop.routes.catalog()
        found = [*catalog.tuned.values(), *catalog.base.values(), *catalog.upstream.values()]
        aliases = [shapes.alias(name, target) for name, target in sorted(catalog.aliases.items())]
        return {"object": "list", "data": [*aliases, *map(shapes.model, found)]}

    @routes.get("/models/{name:path}")
    def retrieve_model(name: str) -> dict[str, Any]:
        catalog = loop.routes.catalog()
        if name in catalog.aliases:
            return shapes.alias(name, catalog.aliases[name])
        if found := catalog.find(name):
            return shapes.model(found)
        raise ModelNotFound(f"The model '{name}' does not exist", param="model")

    @routes.delete("/models/{name:path}")
    def delete_model(name: str) -> dict[str, Any]:
        models.delete(loop.store, name)
        loop.routes.forget()
        return {"id": name, "object": "model", "deleted": True}

    return routes
