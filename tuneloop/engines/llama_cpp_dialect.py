"""What our llama.cpp processes do not say of themselves: a stream's usage, which the Log is to have in any case."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tuneloop.types import Json


class LlamaCppDialect:
    """Has each stream counted; the chunk that says so goes on to callers who asked for it."""

    def request(self, asked: Mapping[str, Json], raw: bytes) -> bytes:
        """The call as it came, with usage asked for in every stream."""
        options = asked.get("stream_options")
        if asked.get("stream") is not True or not (options is None or isinstance(options, dict)) or _wants_usage(asked):
            return raw
        return orjson.dumps({**asked, "stream_options": {**(options or {}), "include_usage": True}})

    def answer(self, asked: Mapping[str, Json], status: int, body: bytes) -> bytes:
        """As it came."""
        return body

    def event(self, asked: Mapping[str, Json], data: bytes) -> bytes | None:
        """As it came, but for a count that was not asked for."""
        if _wants_usage(asked) or data == b"[DONE]":
            return data
        chunk = orjson.loads(data)
        counted = chunk.pop("usage", None)
        if counted is not None and not chunk.get("choices"):
            return None
        return orjson.dumps(chunk)


def _wants_usage(asked: Mapping[str, Json]) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True
