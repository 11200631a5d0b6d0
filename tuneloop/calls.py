"""A call as OpenAI's wire format has it: what can be read off a request and its whole (not streamed) response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from tuneloop.types import Json, Message


def text_of(content: Json) -> str:
    """The text of a message's content: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "".join(text for text in parts if isinstance(text, str))
    return ""


def answer_text(message: Mapping[str, Any]) -> str:
    """What an assistant message says: its text, or its tool calls as JSON when it has no text."""
    text = text_of(message.get("content")) or message.get("refusal") or ""
    calls = message.get("tool_calls") or message.get("function_call")
    return text or (orjson.dumps(calls).decode() if calls else "")


def last_user_text(messages: Json) -> str:
    """The text of the last user message, or ''."""
    if not isinstance(messages, Sequence):
        return ""
    users = (m for m in reversed(messages) if isinstance(m, Mapping) and m.get("role") == "user")
    return text_of(next(users, {}).get("content"))


def metadata_of(value: Json) -> dict[str, str]:
    """Metadata as text by key; what is not text is kept as JSON."""
    if not isinstance(value, Mapping):
        return {}
    return {str(k): v if isinstance(v, str) else orjson.dumps(v).decode() for k, v in value.items() if v is not None}


def read_request(request: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Log that a request gives."""
    user = request.get("user")
    return {
        "input_text": last_user_text(request.get("messages")),
        "user": user if isinstance(user, str) else None,
        "metadata": metadata_of(request.get("metadata")),
        "stream": request.get("stream") is True,
    }


def read_response(response: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Log that a whole response gives."""
    choice = first_choice(response)
    usage = response.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    response_id = response.get("id")
    finish_reason = choice.get("finish_reason")
    message = choice.get("message")
    return {
        "response_id": response_id if isinstance(response_id, str) else None,
        "finish_reason": finish_reason if isinstance(finish_reason, str) else None,
        "prompt_tokens": _count(usage.get("prompt_tokens")),
        "completion_tokens": _count(usage.get("completion_tokens")),
        "output_text": answer_text(message) if isinstance(message, Mapping) else str(choice.get("text") or ""),
    }


def first_choice(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first choice of a response, or an empty one."""
    choices = response.get("choices")
    first = choices[0] if isinstance(choices, Sequence) and choices else {}
    return first if isinstance(first, Mapping) else {}


def answer(response: Mapping[str, Any]) -> Message | None:
    """The assistant message of a whole response, or None."""
    message = first_choice(response).get("message")
    return dict(message) if isinstance(message, Mapping) else None


def _count(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
