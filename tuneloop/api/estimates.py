"""What a tuning will take, before there is a job."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop.api import routing
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The route over one loop's parts."""
    routes = routing.routes()

    @routes.post("/estimates")
    def estimate(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        from tuneloop import estimates

        return {"object": "estimate", **asdict(estimates.of_request(loop, body))}

    return routes
