"""The HTTP server before a llama.cpp: OpenAI's routes are answered here, all others by llama.cpp itself."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol

import orjson
from aiohttp import web

from tuneloop.engines.local.chats import ChatAnswer
from tuneloop.engines.local.completions import CompletionAnswer
from tuneloop.engines.local.embeddings import EmbeddingAnswer
from tuneloop.engines.local.model import Model
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.types import Json

_logger = logging.getLogger(__name__)

_MOST_BYTES = 2**30  # the gateway has looked at it already
_KEPT_SECONDS = 3600.0
_STREAM = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
_END = b"data: [DONE]\n\n"


class Answer(Protocol):
    """An answer in the making."""

    @property
    def stream(self) -> bool:
        """Whether it goes out as it comes."""
        ...

    def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """Its pieces."""
        ...

    def whole(self, chunks: Sequence[Mapping[str, Json]]) -> dict[str, Any]:
        """What all pieces add up to."""
        ...


def application(model: Model) -> web.Application:
    """What answers for `model`."""
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_post("/v1/chat/completions", _handler(lambda body: ChatAnswer(model, body)))
    app.router.add_post("/v1/completions", _handler(lambda body: CompletionAnswer(model, body)))
    app.router.add_route("*", "/{path:.*}", _passing_on(model))
    return app


def embeddings_application(model: Model, most: int) -> web.Application:
    """What makes embeddings with `model`, of inputs of at most that many tokens."""
    app = web.Application(client_max_size=_MOST_BYTES)
    app.router.add_post("/v1/embeddings", _handler(lambda body: EmbeddingAnswer(model, body, most)))
    return app


def runner(app: web.Application) -> web.AppRunner:
    """Runs `app`: a client that hangs up ends the work on its answer, a connection is kept for the next call."""
    return web.AppRunner(app, handler_cancellation=True, keepalive_timeout=_KEPT_SECONDS, access_log=None)


_Handler = Callable[[web.Request], Any]


def _handler(answering: Callable[[Mapping[str, Json]], Answer]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=_STREAM)
        try:
            return await _answer(request, response, answering(_body(await request.read())))
        except TuneloopError as error:
            failure = error
        except Exception as error:
            _logger.exception("%s failed", request.path)
            failure = TuneloopError(f"internal error: {error!r}")
        if not response.prepared:
            return web.json_response(failure.body(), status=failure.status)
        # Too late for a status: clients look for `error` in the events.
        await response.write(b"data: " + orjson.dumps(failure.body()) + b"\n\n")
        return response

    return handle


def _body(raw: bytes) -> dict[str, Json]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(body, dict):
        raise InvalidInput(f"The body must be a JSON object, not {type(body).__name__}.")
    return body


async def _answer(request: web.Request, response: web.StreamResponse, answer: Answer) -> web.StreamResponse:
    async with aclosing(answer.chunks()) as chunks:
        if not answer.stream:
            whole = answer.whole([chunk async for chunk in chunks])
            return web.Response(body=orjson.dumps(whole), content_type="application/json")
        async for chunk in chunks:
            if not response.prepared:  # not before the first chunk, for until then there may be an error
                await response.prepare(request)
            await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
    await response.write(_END)
    return response


def _passing_on(model: Model) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        llama = model.llama
        url = f"{llama.url}{request.rel_url}"
        headers = {"Content-Type": request.content_type}
        async with llama.session.request(request.method, url, data=await request.read(), headers=headers) as reply:
            body = await reply.read()
            return web.Response(body=body, status=reply.status, content_type=reply.content_type)

    return handle
