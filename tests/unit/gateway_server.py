"""A gateway on a free port, for tests: static routes, a real database, a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import uvicorn
from sqlalchemy import Row, select

from tuneloop.engines.upstream import UpstreamEngine
from tuneloop.errors import ModelNotFound
from tuneloop.gateway import Door, Gateway
from tuneloop.gateway.wire import Receive, Scope, Send
from tuneloop.protocols import Engine, Recorder, Route
from tuneloop.settings import Upstream
from tuneloop.store.database import Database
from tuneloop.store.schema import logs
from tuneloop.types import Model

KEY = "sk-test"
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}]


class StaticRouter:
    """Knows a fixed set of names."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self._routes = routes

    def route(self, name: str, user: str | None = None) -> Route:
        if name not in self._routes:
            raise ModelNotFound(f"The model {name!r} does not exist.", param="model")
        return self._routes[name]


def upstream_route(model: str, base_url: str) -> Route:
    """A route to `model` at an upstream whose key is in MOCK_KEY."""
    upstream = Upstream(name="mock", base_url=base_url, api_key_env="MOCK_KEY")
    return local_route(model, UpstreamEngine(upstream, {"MOCK_KEY": "upstream-key"}))


def local_route(model: str, engine: Engine) -> Route:
    """A route to `model` at `engine`."""
    return Route(model=Model(id=model, created_at=0.0, kind="base", base=model, owned_by="test"), engine=engine)


class Running(NamedTuple):
    """A gateway that runs, and a client that has its key."""

    url: str
    client: aiohttp.ClientSession
    server: uvicorn.Server


@asynccontextmanager
async def running(routes: Mapping[str, Route], recorder: Recorder, max_body: int = 100_000) -> AsyncIterator[Running]:
    """Serve `routes`, record with `recorder`."""
    gateway = Gateway(
        door=Door(keys=lambda key: key == KEY, max_body=max_body),
        router=StaticRouter(routes),
        recorder=recorder,
        cost=lambda provider, model, prompt, completion: prompt + 10.0 * completion,
        fallback=_fallback,
    )
    server = uvicorn.Server(
        uvicorn.Config(gateway, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(url, headers=headers) as client:
        yield Running(url, client, server)
    server.should_exit = True
    await serving
    await gateway.aclose()


async def logged(database: Database, count: int = 1) -> list[Row[tuple[object, ...]]]:
    """All Logs, oldest first, as soon as there are `count`."""
    for _ in range(500):
        with database.read() as connection:
            rows = connection.execute(select(logs).order_by(logs.c.id)).all()
        if len(rows) >= count:
            return list(rows)
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(rows)} of {count} logs")


async def _fallback(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"the rest of the API"})
