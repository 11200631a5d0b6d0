"""How llama.cpp's server differs from OpenAI's wire format, put right."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from tuneloop.errors import ContextTooLong, InvalidInput, TuneloopError
from tuneloop.types import Json

_FIELD = re.compile(r"'(\w+)'")


class LlamaCppDialect:
    """Echoes the name the caller asked for, counts tokens in streams, and speaks of errors as OpenAI does."""

    def request(self, asked: Mapping[str, Json], raw: bytes) -> bytes:
        """Ask for usage in every stream, for the Log; `event` keeps it from callers who did not ask."""
        if asked.get("stream") is not True or _wants_usage(asked):
            return raw
        options = asked.get("stream_options")
        options = options if isinstance(options, dict) else {}
        return orjson.dumps({**asked, "stream_options": {**options, "include_usage": True}})

    def answer(self, asked: Mapping[str, Json], status: int, body: bytes) -> bytes:
        """A whole answer or an error."""
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        if status >= 400 or not isinstance(parsed, dict):
            return orjson.dumps(_error(status, parsed, body).body())
        return orjson.dumps(_named(asked, parsed))

    def event(self, asked: Mapping[str, Json], data: bytes) -> bytes | None:
        """A chunk of a stream; the one with usage is dropped when the caller did not ask for it."""
        if data == b"[DONE]":
            return data
        chunk = orjson.loads(data)
        if "error" in chunk:
            return orjson.dumps(_error(500, chunk, data).body())
        if not chunk.get("choices") and not _wants_usage(asked):
            return None
        for choice in chunk.get("choices", ()):
            delta = choice.get("delta", {})
            if "role" in delta and delta.get("content") is None:
                delta["content"] = ""
        return orjson.dumps(_named(asked, chunk))


def _wants_usage(asked: Mapping[str, Json]) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _named(asked: Mapping[str, Json], answer: dict[str, Json]) -> dict[str, Json]:
    answer["model"] = asked["model"]
    answer.pop("timings", None)
    return answer


def _error(status: int, parsed: Json, body: bytes) -> TuneloopError:
    error = parsed.get("error") if isinstance(parsed, dict) else None
    error = error if isinstance(error, dict) else {}
    message = str(error.get("message") or body[:1000].decode("utf-8", "replace"))
    if error.get("type") == "exceed_context_size_error":
        return ContextTooLong(
            f"This model's maximum context length is {error.get('n_ctx')} tokens. However, your messages resulted in "
            f"{error.get('n_prompt_tokens')} tokens. Please reduce the length of the messages.",
            param="messages",
        )
    if status >= 500:
        return TuneloopError(message)
    field = _FIELD.search(message)
    return InvalidInput(message, param=field[1] if field else None)
