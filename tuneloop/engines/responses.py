"""OpenAI's Responses API, spoken by a server that knows chat completions."""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson

from tuneloop.engines import response_shapes as shapes
from tuneloop.engines.response_events import ResponseEvents
from tuneloop.engines.response_requests import renamed, to_chat
from tuneloop.errors import TuneloopError
from tuneloop.protocols import Memory
from tuneloop.store.ids import new_id
from tuneloop.types import Json


class ResponsesDialect:
    """Turns one call into a chat completion and its answer into a response. Made anew for each call.

    `memory` knows the responses that the call may go on from.
    """

    def __init__(self, memory: Memory | None = None) -> None:
        self._memory = memory
        self._response: dict[str, Json] = {}
        self._events: ResponseEvents | None = None

    def request(self, asked: Mapping[str, Json], raw: bytes) -> bytes:
        """The chat completion to ask for."""
        chat = to_chat(asked, self._memory)
        self._response = shapes.begun(asked, new_id("resp_"), time.time())
        self._events = ResponseEvents(self._response)
        return orjson.dumps(chat)

    def answer(self, asked: Mapping[str, Json], status: int, body: bytes) -> bytes:
        """The whole response, or an error."""
        answered = orjson.loads(body)
        if "error" in answered:
            error = answered["error"]
            told = renamed(TuneloopError(error["message"], param=error["param"], code=error["code"]))
            return orjson.dumps({"error": {**error, "param": told.param}})
        choice = answered["choices"][0]
        output = shapes.output(choice, str(self._response["id"]).removeprefix("resp_"))
        reason, usage = choice.get("finish_reason"), answered.get("usage")
        return orjson.dumps(shapes.ended(self._response, output, reason, usage, time.time()))

    def event(self, asked: Mapping[str, Json], data: bytes) -> bytes | None:
        """The events that a chunk of chat stands for."""
        assert self._events is not None, "request comes first"
        if data == b"[DONE]":
            return self._events.end() or None
        chunk = orjson.loads(data)
        if "error" in chunk:
            return self._events.fail(str(chunk["error"].get("message")))
        return self._events.chunk(chunk) or None
