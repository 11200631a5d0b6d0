"""The front: a raw ASGI application that authorises calls, follows each through its Exchange and watches its client."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable

from tuneloop.errors import TuneloopError, Unauthorized
from tuneloop.gateway import wire
from tuneloop.gateway.calls import Call
from tuneloop.gateway.client import Client
from tuneloop.gateway.exchange import Exchange, Parts
from tuneloop.protocols import Cost, Recorder, Router

#: what is answered here, by its path
ENDPOINTS = frozenset({"/v1/chat/completions", "/v1/completions"})
MOST_BYTES = 64 * 1024 * 1024


class Gateway:
    """Answers POST /v1/chat/completions and /v1/completions, and hands everything else to `fallback`.

    `keys` says whether an API key is good; `cost` prices a call (see protocols.Cost); `max_body` is in bytes. Every
    response carries x-request-id, every logged one x-tuneloop-log-id.
    """

    def __init__(
        self,
        *,
        router: Router,
        recorder: Recorder,
        keys: Callable[[str], bool],
        cost: Cost,
        fallback: wire.ASGIApp,
        max_body: int = MOST_BYTES,
    ) -> None:
        self._keys = keys
        self._fallback = fallback
        self._max_body = max_body
        # Unique without asking the system for random bytes at every call.
        self._ids = b"req_" + secrets.token_hex(10).encode()
        self._numbers = itertools.count()
        self._client = Client()
        self._parts = Parts(router=router, recorder=recorder, cost=cost, client=self._client)

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        request_id = (b"x-request-id", self._ids + b"%012x" % next(self._numbers))
        if scope["path"] in ENDPOINTS and scope["method"] == "POST":
            await self._handle(scope, receive, send, request_id)
        else:
            await self._fallback(scope, receive, _adding(request_id, send))

    async def aclose(self) -> None:
        """Close the connections to engines and upstreams."""
        await self._client.aclose()

    async def _handle(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send, request_id: wire.Header) -> None:
        try:
            if not self._keys(wire.bearer(scope["headers"])):
                raise Unauthorized("Incorrect API key provided. `tuneloop serve` printed yours at its first start.")
            raw = await wire.read_body(receive, self._max_body)
        except TuneloopError as error:
            await wire.send_whole(send, error.status, [wire.JSON, request_id], wire.error_bytes(error))
            return
        except wire.ClientGone:
            return
        call = Call(endpoint=scope["path"], headers=scope["headers"], raw=raw)
        exchange = Exchange(self._parts, call, send, request_id)
        watcher = asyncio.create_task(_watch(receive, call, asyncio.current_task()))
        try:
            await exchange.run()
        finally:
            watcher.cancel()


async def _watch(receive: wire.Receive, call: Call, handler: asyncio.Task[None] | None) -> None:
    """Cancel the handler as soon as the client hangs up, which cancels the call at the engine."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call.hung_up = True
    if handler is not None:
        handler.cancel()


def _adding(header: wire.Header, send: wire.Send) -> wire.Send:
    async def add(message: wire.AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), header]
        await send(message)

    return add
