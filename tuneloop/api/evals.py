"""OpenAI's evals, their runs and output items."""

from __future__ import annotations

from fastapi import APIRouter

from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = APIRouter(prefix="/v1")

    return routes
