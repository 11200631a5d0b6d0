"""Where the loop stands, and something to begin with."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from tuneloop import overview, samples
from tuneloop.api import routing
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The route over one loop's parts."""
    routes = routing.routes()

    @routes.get("/overview")
    def look_at_the_loop() -> dict[str, Any]:
        return {"object": "overview", **asdict(overview.look(loop))}

    @routes.post("/samples")
    def take_the_sample() -> dict[str, Any]:
        return {"object": "sample", "added": samples.take(loop)}

    return routes
