"""What happens to one call: route, pass on, answer, log. The last byte of an answer leaves after its Log is on disk."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import NamedTuple

import orjson

from tuneloop.calls import error_text
from tuneloop.errors import TuneloopError, Unavailable
from tuneloop.gateway import wire
from tuneloop.gateway.calls import Call
from tuneloop.gateway.client import Client, ConnectionLost, Reply
from tuneloop.gateway.stream import EventStream
from tuneloop.protocols import Cost, Endpoint, Expand, Recorder, Route, Router
from tuneloop.types import Json

_logger = logging.getLogger(__name__)

#: nginx's code for a client that closed the connection before its answer
CLIENT_CLOSED_REQUEST = 499


class NotLogged(TuneloopError):
    """The call was answered, but its Log could not be written, so the answer is withheld."""

    code = "log_failed"


class Parts(NamedTuple):
    """What every exchange needs."""

    router: Router
    recorder: Recorder
    cost: Cost
    client: Client
    expand: Expand


class Exchange:
    """One call and its answer."""

    def __init__(self, parts: Parts, call: Call, send: wire.Send) -> None:
        self._parts = parts
        self._call = call
        self._send = send
        self._ids = [(b"x-tuneloop-log-id", call.id.encode())]

    async def run(self) -> None:
        """Answer the call and log it, whatever happens."""
        try:
            await self._answer_or_fail()
        except NotLogged as error:
            _logger.error("%s", error)
            await self._send_error(error)
        except asyncio.CancelledError:
            await self._cancelled()

    async def _answer_or_fail(self) -> None:
        try:
            await self._answer()
        except NotLogged:
            raise
        except TuneloopError as error:
            await self._fail(error)
        except Exception as error:
            _logger.exception("call %s failed", self._call.id)
            await self._fail(TuneloopError(f"internal error: {error!r}"))

    async def _answer(self) -> None:
        call = self._call
        call.asked = wire.parse_request(call.raw)
        if isinstance(call.asked.get("prompt"), dict):  # that of completions is a text
            await self._fill_in()
        wire.check_request(call.asked, chat=call.endpoint.endswith("/chat/completions"))
        call.route = route = self._parts.router.route(call.model, call.user)
        try:
            await self._pass_on(route)
        except ConnectionLost:
            # A kept-alive connection gone stale, or a local engine that died and starts again: once more, unless
            # the client has seen something of the first answer.
            if call.begun:
                raise
            await self._pass_on(route)

    async def _fill_in(self) -> None:
        """Make of a call that names a prompt the call that goes out, and is logged."""
        call = self._call
        filled = await asyncio.to_thread(self._parts.expand, call.asked, call.endpoint)
        if filled is not None:
            call.asked, call.prompt = filled
            call.raw = orjson.dumps(call.asked)

    async def _pass_on(self, route: Route) -> None:
        call = self._call
        path = call.endpoint.removeprefix("/v1")
        endpoint = await route.engine.endpoint(route.model, path)
        call.provider = endpoint.provider
        asked, raw = self._instructed(route)
        with endpoint.lease(wire.is_patient(call.headers)):
            url = endpoint.base_url + (endpoint.path or path)
            headers = wire.outgoing_headers(call.headers, endpoint.api_key)
            body = wire.outgoing_body(endpoint, asked, raw)
            async with self._parts.client.post(url, headers, body) as reply:
                if reply.status == 200 and wire.is_event_stream(reply.headers):
                    await self._stream(endpoint, reply)
                else:
                    await self._whole(endpoint, reply)

    def _instructed(self, route: Route) -> tuple[dict[str, Json], bytes]:
        """The call as its model is asked: of a deployment with instructions with those in place of its own. The Log
        has what the caller sent, from which the next model can learn."""
        call = self._call
        messages = call.asked.get("messages")
        if route.instructions is None or not isinstance(messages, list):
            return call.asked, call.raw
        call.prompt = route.instructions.prompt
        asked = {**call.asked, "messages": list(route.instructions.instead(messages))}
        return asked, orjson.dumps(asked)

    async def _whole(self, endpoint: Endpoint, reply: Reply) -> None:
        call = self._call
        body = b"".join([chunk async for chunk in reply.chunks])
        call.status = reply.status
        if endpoint.dialect is not None:
            body = endpoint.dialect.answer(call.asked, reply.status, body)
        if reply.status >= 400:
            call.error = error_text(body)
        call.sent = [body]
        await self._record()
        await wire.send_whole(self._send, reply.status, wire.answer_headers(reply.headers) + self._ids, body)

    async def _stream(self, endpoint: Endpoint, reply: Reply) -> None:
        call = self._call
        stream = EventStream(call.asked, endpoint.dialect)
        call.events, call.came = True, []
        try:
            async for chunk in reply.chunks:
                if endpoint.dialect is not None:
                    call.came.append(chunk)
                if ready := stream.feed(chunk):
                    await self._send_chunk(reply, ready)
        except ConnectionLost:
            if not stream.done:  # after the last event nothing is lost with the connection
                raise
        call.sent.append(stream.rest)
        await self._record()
        if not call.begun:
            await self._begin(reply)
        await self._send({"type": "http.response.body", "body": stream.rest})

    async def _send_chunk(self, reply: Reply, chunk: bytes) -> None:
        call = self._call
        if not call.begun:
            call.first_token = time.perf_counter()
            await self._begin(reply)
        call.sent.append(chunk)
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def _begin(self, reply: Reply) -> None:
        self._call.begun = True
        headers = wire.answer_headers(reply.headers) + self._ids
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})

    async def _fail(self, error: TuneloopError) -> None:
        call = self._call
        call.status, call.error = error.status, error.message
        if not call.begun:
            call.events, call.came, call.sent = False, [], [wire.error_bytes(error)]
        else:
            call.sent.append(wire.error_event(error))
        await self._record()
        await self._send_error(error)

    async def _send_error(self, error: TuneloopError) -> None:
        if self._call.begun:  # too late for a status: clients look for `error` in the events
            await self._send({"type": "http.response.body", "body": wire.error_event(error)})
        else:
            await wire.send_whole(self._send, error.status, [wire.JSON, *self._ids], wire.error_bytes(error))

    async def _cancelled(self) -> None:
        call = self._call
        if not call.recorded:
            call.status = CLIENT_CLOSED_REQUEST if call.hung_up else 503
            call.error = "client disconnected" if call.hung_up else "the server was shut down"
            await asyncio.shield(self._record())
            if not call.hung_up:
                await self._send_error(Unavailable("the server was shut down meanwhile; send the call again"))
        elif not call.hung_up:
            raise asyncio.CancelledError

    async def _record(self) -> None:
        self._call.recorded = True
        try:
            await self._parts.recorder.record(self._call.log(self._parts.cost))
        except Exception as error:
            raise NotLogged(f"the call could not be logged, so its answer is withheld: {error}") from error
