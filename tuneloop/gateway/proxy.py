"""The hot path: a raw ASGI application that authorises, routes, passes on, measures and logs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from tuneloop.errors import EngineError, InvalidInput, TuneloopError, Unauthorized
from tuneloop.gateway import wire
from tuneloop.gateway.calls import Call, Cost
from tuneloop.gateway.client import Client, ConnectionLost, Reply
from tuneloop.gateway.stream import EventStream
from tuneloop.protocols import Recorder, Router

#: what we answer ourselves -> whether it is chat
PATHS = {"/v1/chat/completions": True, "/v1/completions": False}
JSON_TYPE = (b"content-type", b"application/json")
MOST_BYTES = 64 * 1024 * 1024


class Gateway:
    """Answers POST /v1/chat/completions and /v1/completions, and hands everything else to `fallback`.

    `keys` says whether an API key is good; `cost` prices a call (see calls.Cost); `max_body` is in bytes. Every
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
        self._router = router
        self._recorder = recorder
        self._keys = keys
        self._cost = cost
        self._fallback = fallback
        self._max_body = max_body
        self._client: Client | None = None

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        request_id = (b"x-request-id", b"req_" + secrets.token_hex(16).encode())
        if scope["path"] in PATHS and scope["method"] == "POST":
            await self._handle(scope, receive, send, request_id)
        else:
            await self._fallback(scope, receive, _with_header(send, request_id))

    async def aclose(self) -> None:
        """Close the connections to engines and upstreams."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _handle(
        self, scope: wire.Scope, receive: wire.Receive, send: wire.Send, request_id: tuple[bytes, bytes]
    ) -> None:
        try:
            if not self._keys(wire.bearer(scope["headers"])):
                raise Unauthorized("Incorrect API key provided. `tuneloop serve` printed yours at its first start.")
            raw = await wire.read_body(receive, self._max_body)
        except TuneloopError as error:
            await wire.send_whole(send, error.status, [JSON_TYPE, request_id], wire.error_bytes(error))
            return
        except wire.ClientGone:
            return
        call = Call(endpoint=scope["path"], raw=raw)
        head = [request_id, (b"x-tuneloop-log-id", call.id.encode())]
        exchange = _Exchange(self, call, scope, send, head)
        watcher = asyncio.create_task(_watch(receive, call, asyncio.current_task()))
        try:
            await exchange.run()
        finally:
            watcher.cancel()
