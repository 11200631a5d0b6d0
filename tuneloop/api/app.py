"""The whole server: the gateway's hot path in front, the declared routes behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from tuneloop import __version__
from tuneloop import prompts as prompt_versions
from tuneloop.api import (
    batches,
    chats,
    checks,
    datasets,
    deployments,
    errors,
    estimates,
    evals,
    evaluations,
    files,
    graders,
    jobs,
    keys,
    log_sums,
    models,
    openapi,
    overview,
    own,
    people,
    permissions,
    prompts,
    responses,
    retention,
    surroundings,
    traces,
    uploads,
)
from tuneloop.api.indexing import indexed
from tuneloop.api.sweeping import swept
from tuneloop.executors.deliveries import delivered
from tuneloop.executors.monitoring import monitored
from tuneloop.gateway import Door, Gateway
from tuneloop.loop import Loop
from tuneloop.store.log_writer import LogWriter

PARTS = (
    models,
    files,
    uploads,
    jobs,
    permissions,
    batches,
    chats,
    responses,
    graders,
    evals,
    evaluations,
    estimates,
    traces,
    checks,
    datasets,
    prompts,
    overview,
    log_sums,
    own,
    deployments,
    keys,
    people,
    retention,
    surroundings,
)


def routes(loop: Loop) -> list[BaseRoute]:
    """Every route of the nouns; the gateway answers its own in front of them."""
    return [route for part in PARTS for route in part.router(loop).routes]


def build(loop: Loop, recorder: LogWriter, beside: AbstractAsyncContextManager[Any] | None = None) -> Gateway:
    """The ASGI application over one loop's parts; `beside` lasts as long as it does."""
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
        expand=partial(prompt_versions.expand, loop.store),
        organization=loop.settings.organization,
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        monitors = monitored(
            loop.store,
            lambda: loop.gateway("monitors", patient=True),
            lambda: loop.local.urgent if "local" in loop.__dict__ else 0,
        )
        sweeping = swept(loop.store, days=loop.settings.retention_days)
        async with beside or nullcontext(), sweeping, delivered(loop.store, loop.settings.webhooks), monitors:
            async with indexed(loop.store):
                yield
        await gateway.aclose()
        await loop.aclose()

    app.router.lifespan_context = lifespan
    return gateway
