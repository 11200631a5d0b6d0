"""The whole server: the gateway's hot path in front, the declared routes behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tuneloop import __version__
from tuneloop.api import (
    batches,
    chats,
    errors,
    evals,
    files,
    graders,
    jobs,
    models,
    own,
    responses,
    traces,
    uploads,
)
from tuneloop.errors import Unauthorized
from tuneloop.gateway import Gateway
from tuneloop.gateway.wire import bearer
from tuneloop.loop import Loop
from tuneloop.store.log_writer import LogWriter

#: what may be asked without a key
OPEN = frozenset({"/health", "/openapi.json", "/docs"})
PARTS = (models, files, uploads, jobs, batches, chats, responses, graders, evals, traces, own)


def build(loop: Loop, recorder: LogWriter) -> Gateway:
    """The ASGI application over one loop's parts."""
    app = FastAPI(title="Tuneloop", version=__version__, redoc_url=None)
    errors.install(app)
    for part in PARTS:
        app.include_router(part.router(loop))

    @app.get("/health")
    def health() -> dict[str, Any]:
        return {"status": "ok", "version": __version__}

    gateway = Gateway(
        router=loop.routes,
        recorder=recorder,
        keys=loop.allows,
        cost=loop.prices.cost,
        fallback=Guard(app, loop),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.aclose()
        await loop.aclose()

    app.router.lifespan_context = lifespan
    return gateway


class Guard:
    """Lets nobody in without a good key."""

    def __init__(self, app: ASGIApp, loop: Loop) -> None:
        self.app = app
        self.loop = loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        guarded = scope["type"] == "http" and scope["path"] not in OPEN
        if guarded and not self.loop.allows(bearer(scope["headers"])):
            error = Unauthorized("Incorrect API key provided. Send it as 'Authorization: Bearer KEY'.")
            await errors.response(error)(scope, receive, send)
        else:
            await self.app(scope, receive, send)
