"""OpenAI's Response object and its parts, made from what chat has answered. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.types import Json

#: what a response says of its request, and what counts where the request says nothing
_DEFAULTS: Mapping[str, Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def begun(asked: Mapping[str, Json], response_id: str, created_at: float) -> dict[str, Json]:
    """The response to `asked` before anything is said."""
    shown = {key: default if asked.get(key) is None else asked[key] for key, default in _DEFAULTS.items()}
    reasoning, text = asked.get("reasoning") or {}, asked.get("text") or {}
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(created_at),
        "status": "in_progress",
        "background": False,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        **shown,
        "model": asked["model"],
        "output": [],
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "service_tier": "default",
        "text": {"format": {"type": "text"}, "verbosity": "medium", **text},
        "tools": [_tool(tool) for tool in asked.get("tools") or ()],
        "usage": None,
    }


def ended(
    response: Mapping[str, Json], output: Sequence[Json], finish_reason: str | None, usage: Json, at: float
) -> dict[str, Json]:
    """The response when all is said. `finish_reason` and `usage` are chat's."""
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(str(finish_reason))
    return {
        **response,
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else int(at),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(output),
        "usage": _usage(usage),
    }


def failed(response: Mapping[str, Json], output: Sequence[Json], message: str) -> dict[str, Json]:
    """The response when the engine broke down in the middle of it."""
    error = {"code": "server_error", "message": message}
    return {**response, "status": "failed", "error": error, "output": list(output)}


def message(item_id: str, parts: Sequence[Json], status: str = "completed") -> dict[str, Json]:
    """The item of something said."""
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": list(parts)}


def text(said: str, logprobs: Sequence[Json] = ()) -> dict[str, Json]:
    """The part of a message that holds its text. `logprobs` are chat's."""
    return {"type": "output_text", "annotations": [], "logprobs": list(logprobs), "text": said}


def call(item_id: str, tool_call: Mapping[str, Any], status: str = "completed") -> dict[str, Json]:
    """The item of a function call, from one of chat's `tool_calls`."""
    function = tool_call["function"]
    return {
        "id": item_id,
        "type": "function_call",
        "status": status,
        "arguments": function.get("arguments") or "",
        "call_id": tool_call.get("id"),
        "name": function.get("name"),
    }


def output(choice: Mapping[str, Any], ids: str) -> list[dict[str, Json]]:
    """The items of one of chat's choices. `ids` is the end of the response's id."""
    said = choice["message"]
    calls = said.get("tool_calls") or ()
    status = "incomplete" if choice.get("finish_reason") in ("length", "content_filter") else "completed"
    items: list[dict[str, Json]] = []
    if said.get("content") or not calls:
        logprobs = (choice.get("logprobs") or {}).get("content") or ()
        items.append(message(item_id("msg", ids, 0), [text(said.get("content") or "", logprobs)], status))
    items += [call(item_id("fc", ids, n), one, status) for n, one in enumerate(calls, len(items))]
    return items


def item_id(prefix: str, ids: str, number: int) -> str:
    """The id of the output item with this number: the response can be told from it."""
    return f"{prefix}_{ids}o{number}"


def _tool(tool: Json) -> Json:
    return {"description": None, "parameters": None, "strict": True, **tool}


def _usage(usage: Json) -> Json:
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + completion,
    }
