"""The whole server: the gateway's hot path in front, the declared routes behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from tuneloop import __version__
from tuneloop.api import (
    batches,
    chats,
    checks,
    errors,
    evals,
    files,
    graders,
    jobs,
    models,
    openapi,
    own,
    permissions,
    responses,
    traces,
    uploads,
)
from tuneloop.api.sweeping import swept
from tuneloop.executors.deliveries import delivered
from tuneloop.gateway import Door, Gateway
from tuneloop.loop import Loop
from tuneloop.store.log_writer import LogWriter

PARTS = (models, files, uploads, jobs, permissions, batches, chats, responses, graders, evals, traces, checks, own)


def routes(loop: Loop) -> list[BaseRoute]:
    """Every route of the nouns; the gateway answers its own in front of them."""
    return [route for part in PARTS for route in part.router(loop).routes]


def build(loop: Loop, recorder: LogWriter) -> Gateway:
    """The ASGI application over one loop's parts."""
    app = FastAPI(routes=routes(loop), openapi_url=None, redirect_slashes=False)
    errors.install(app)
    openapi.install(app)

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "version": __version__}

    door = Door(
        keys=loop.allows,
        rate_limit=loop.settings.rate_limit,
        unlimited=(loop.own_key,),
        origins=loop.settings.origins,
    )
    gateway = Gateway(
        door=door,
        router=loop.routes,
        recorder=recorder,
        cost=loop.prices.cost,
        fallback=app,
        organization=loop.settings.organization,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with swept(loop.store), delivered(loop.store, loop.settings.webhooks):
            yield
        await gateway.aclose()
        await loop.aclose()

    app.router.lifespan_context = lifespan
    return gateway
