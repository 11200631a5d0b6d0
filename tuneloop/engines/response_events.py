"""The events of a streamed response, made from the chunks of a streamed chat completion."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tuneloop.engines import response_shapes as shapes
from tuneloop.types import Json


class ResponseEvents:
    """Says of each chunk what the Responses API would: items begin, grow and end one after the other.

    `response` is what `response_shapes.begun` made.
    """

    def __init__(self, response: Mapping[str, Json]) -> None:
        self._response = response
        self._ids = str(response["id"]).removeprefix("resp_")
        self._number = 0
        self._output: list[dict[str, Json]] = []
        self._open: _Text | _Call | None = None
        self._finish_reason: str | None = None
        self._usage: Json = None
        self._failed = False
        self._out = bytearray()

    def chunk(self, chunk: Mapping[str, Any]) -> bytes:
        """What is to be said of a chunk: whole events, or nothing."""
        if self._number == 0:
            self._say("response.created", response=self._response)
            self._say("response.in_progress", response=self._response)
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices") or ():
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            delta = choice.get("delta") or {}
            if delta.get("content"):
                self._text(delta["content"], (choice.get("logprobs") or {}).get("content") or [])
            for call in delta.get("tool_calls") or ():
                self._call(call)
        return self._flush()

    def end(self) -> bytes:
        """What is to be said when chat has nothing more to say."""
        if self._failed:
            return b""
        status = "incomplete" if self._finish_reason in ("length", "content_filter") else "completed"
        if self._open is None and not self._output:
            self._text("", [])
        self._close(status)
        response = shapes.ended(self._response, self._output, self._finish_reason, self._usage, time.time())
        self._say(f"response.{status}", response=response)
        return self._flush()

    def fail(self, message: str) -> bytes:
        """What is to be said when the engine broke down."""
        self._failed = True
        self._close("incomplete")
        self._say("response.failed", response=shapes.failed(self._response, self._output, message))
        return self._flush()

    def _text(self, piece: str, logprobs: list[Json]) -> None:
        if not isinstance(self._open, _Text):
            self._close()
            self._open = _Text(shapes.item_id("msg", self._ids, len(self._output)))
            item = shapes.message(self._open.id, [], "in_progress")
            self._say("response.output_item.added", output_index=len(self._output), item=item)
            self._say("response.content_part.added", **self._place(), content_index=0, part=shapes.text(""))
        self._open.pieces.append(piece)
        self._open.logprobs += logprobs
        if piece:
            delta = {"content_index": 0, "delta": piece, "logprobs": logprobs}
            self._say("response.output_text.delta", **self._place(), **delta)

    def _call(self, call: Mapping[str, Any]) -> None:
        function = call.get("function") or {}
        index = call.get("index", 0)
        if not isinstance(self._open, _Call) or self._open.index != index:
            self._close()
            begun = {**call, "function": {**function, "arguments": ""}}
            self._open = _Call(shapes.item_id("fc", self._ids, len(self._output)), index, begun)
            item = shapes.call(self._open.id, begun, "in_progress")
            self._say("response.output_item.added", output_index=len(self._output), item=item)
        if piece := function.get("arguments"):
            self._open.pieces.append(piece)
            self._say("response.function_call_arguments.delta", **self._place(), delta=piece)

    def _close(self, status: str = "completed") -> None:
        """End the item that is open, if one is."""
        match self._open:
            case _Text() as said:
                text = "".join(said.pieces)
                part = shapes.text(text, said.logprobs)
                at = {**self._place(), "content_index": 0}
                self._say("response.output_text.done", **at, text=text, logprobs=said.logprobs)
                self._say("response.content_part.done", **at, part=part)
                item = shapes.message(said.id, [part], status)
            case _Call() as made:
                function = {**made.begun["function"], "arguments": "".join(made.pieces)}
                item = shapes.call(made.id, {**made.begun, "function": function}, status)
                done = {"arguments": item["arguments"], "name": item["name"]}
                self._say("response.function_call_arguments.done", **self._place(), **done)
            case None:
                return
        self._say("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)
        self._open = None

    def _place(self) -> dict[str, Json]:
        return {"item_id": self._open.id if self._open else None, "output_index": len(self._output)}

    def _say(self, kind: str, **fields: Json) -> None:
        event = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        self._out += b"event: " + kind.encode() + b"\ndata: " + orjson.dumps(event) + b"\n\n"

    def _flush(self) -> bytes:
        out, self._out = bytes(self._out), bytearray()
        return out


@dataclass(slots=True)
class _Text:
    """A message that is being said."""

    id: str
    pieces: list[str] = field(default_factory=list)
    logprobs: list[Json] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    """A function call that is being made."""

    id: str
    #: its number in chat
    index: int
    #: chat's call as it began, without arguments
    begun: Mapping[str, Any]
    #: of the arguments
    pieces: list[str] = field(default_factory=list)
