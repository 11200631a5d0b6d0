"""The front: a raw ASGI application that every request comes through, and that follows each call by an Exchange."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Mapping

from tuneloop.errors import TuneloopError
from tuneloop.gateway import wire
from tuneloop.gateway.calls import Call
from tuneloop.gateway.client import Client
from tuneloop.gateway.door import Door, is_preflight
from tuneloop.gateway.exchange import Exchange, Parts
from tuneloop.gateway.shadows import Shadows
from tuneloop.protocols import Cost, Expand, Recorder, Router
from tuneloop.types import Json

_logger = logging.getLogger(__name__)

#: what is answered here, by its path
ENDPOINTS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"})


def _unchanged(_asked: Mapping[str, Json], _endpoint: str) -> None:
    """Fills nothing in: of a gateway without prompts."""


class Gateway:
    """Answers POST to the ENDPOINTS, and hands everything else that comes through `door` to `fallback`.

    `cost` prices a call, `expand` fills prompts in (see protocols.Cost and Expand). Every answer carries x-request-id
    and OpenAI's headers, every logged one x-tuneloop-log-id. A path may end with a slash; HEAD is answered as GET is,
    without the body.
    """

    def __init__(
        self,
        *,
        door: Door,
        router: Router,
        recorder: Recorder,
        cost: Cost,
        fallback: wire.ASGIApp,
        expand: Expand = _unchanged,
        organization: str = "local",
    ) -> None:
        self._door = door
        self._fallback = fallback
        # Unique without asking the system for random bytes at every call.
        self._ids = b"req_" + secrets.token_hex(10).encode()
        self._numbers = itertools.count()
        self._standing = [(b"openai-version", b"2020-10-01"), (b"openai-organization", organization.encode())]
        self._client = Client()
        self._parts = Parts(router=router, recorder=recorder, cost=cost, client=self._client, expand=expand)
        self._shadows = Shadows(self._parts)

    async def __call__(self, scope: wire.Scope, receive: wire.Receive, send: wire.Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        told = [(b"x-request-id", self._ids + b"%012x" % next(self._numbers)), *self._standing]
        answer = _Answer(told, send, headless=scope["method"] == "HEAD")
        try:
            await self._serve(scope, receive, answer, told)
        except wire.ClientGone:
            return
        except TuneloopError as error:
            await wire.send_error(answer, error)
        except Exception:
            if answer.ended:  # the error has been told and logged; the connection may live on
                return
            if answer.begun:
                raise
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            await wire.send_error(answer, TuneloopError("The server had an error. Its log says more."))

    async def _serve(self, scope: wire.Scope, receive: wire.Receive, answer: wire.Send, told: wire.Headers) -> None:
        head = dict(scope["headers"])
        if cors := self._door.cors(scope, head):
            told += cors
            if is_preflight(scope, head):
                await wire.send_whole(answer, 200, [], b"")
                return
        self._door.admit(scope, head, told)
        scope = _plain(scope)
        receive = self._door.receive(head, receive)
        if scope["path"] in ENDPOINTS and scope["method"] == "POST":
            await self._handle(scope, receive, answer, head)
        else:
            await self._fallback(scope, receive, answer)

    async def aclose(self) -> None:
        """Give up what is asked for the log alone, and close the connections to engines and upstreams."""
        await self._shadows.aclose()
        await self._client.aclose()

    async def _handle(
        self, scope: wire.Scope, receive: wire.Receive, send: wire.Send, head: Mapping[bytes, bytes]
    ) -> None:
        wire.check_json(head.get(b"content-type", b""))
        raw = await wire.read_body(receive)
        call = Call(endpoint=scope["path"], headers=scope["headers"], raw=raw)
        exchange = Exchange(self._parts, call, send)
        watcher = asyncio.create_task(_watch(receive, call, asyncio.current_task()))
        try:
            await exchange.run()
        finally:
            watcher.cancel()
        if call.route is not None and call.route.shadows:
            self._shadows.copy(call)


class _Answer:
    """`send`, which adds the headers that every answer has, unless the answer has its own."""

    __slots__ = ("_headless", "_send", "_since", "_told", "begun", "ended")

    def __init__(self, told: wire.Headers, send: wire.Send, *, headless: bool) -> None:
        self._told = told
        self._send = send
        self._headless = headless
        self._since = time.perf_counter()
        self.begun = False
        self.ended = False

    async def __call__(self, message: wire.AsgiMessage) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = message.get("headers", ())
            given = {name.lower() for name, _ in headers}
            took = b"%d" % ((time.perf_counter() - self._since) * 1000)
            told = [*self._told, (b"openai-processing-ms", took)]
            message["headers"] = [*headers, *[header for header in told if header[0] not in given]]
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
            if self._headless:
                message["body"] = b""
        await self._send(message)


def _plain(scope: wire.Scope) -> wire.Scope:
    """The scope as routes know it: GET for HEAD, no slash at the end of the path."""
    path: str = scope["path"]
    if scope["method"] != "HEAD" and path[-1:] != "/":
        return scope
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "method": method, "path": path.rstrip("/") or "/"}


async def _watch(receive: wire.Receive, call: Call, handler: asyncio.Task[None] | None) -> None:
    """Cancel the handler as soon as the client hangs up, which cancels the call at the engine."""
    while (await receive())["type"] != "http.disconnect":
        pass
    call.hung_up = True
    if handler is not None:
        handler.cancel()
