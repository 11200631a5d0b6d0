"""Where the loop stands."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from tuneloop import overview
from tuneloop.api import routing
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The route over one loop's parts."""
    routes = routing.routes()

    @routes.get("/overview")
    def look_at_the_loop() -> dict[str, Any]:
        return {"object": "overview", **asdict(overview.look(loop))}

    return routes
