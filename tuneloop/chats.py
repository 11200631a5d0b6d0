"""Stored chat completions: calls made with `store: true`, to be listed, read, given other metadata and deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuneloop import calls, fields
from tuneloop.errors import NotFound
from tuneloop.store import Store
from tuneloop.store.stored import Kept
from tuneloop.types import Json, Log, Message


def get(store: Store, completion_id: str) -> Kept:
    """By the id of its answer. Raises NotFound."""
    found = store.stored.find("chat", completion_id)
    if found is None:
        raise _unknown(completion_id)
    return found


def change(store: Store, completion_id: str, body: Mapping[str, Json]) -> Kept:
    """Give it the metadata in `body`, in place of what it had. Raises NotFound and InvalidInput."""
    if "metadata" not in body:  # null is metadata: none
        fields.required(body, "metadata")
    if not store.stored.change("chat", completion_id, fields.metadata(body["metadata"]) or {}):
        raise _unknown(completion_id)
    return get(store, completion_id)


def delete(store: Store, completion_id: str) -> None:
    """Forget it; its Log stays. Raises NotFound."""
    if not store.stored.remove("chat", completion_id):
        raise _unknown(completion_id)


def messages(kept: Kept) -> list[Message]:
    """What was asked, in order, as OpenAI's stored messages: each with an id, its text, and its parts if it had any."""
    item, log = kept
    request = calls.parse(log.request)
    given = request.get("messages") if isinstance(request, dict) else None
    found = [message for message in given or () if isinstance(message, dict)]
    return [_message(message, f"{item.id}-{number}") for number, message in enumerate(found)]


def completion(kept: Kept) -> dict[str, Json]:
    """The whole answer, though it may have been streamed, as OpenAI's ChatCompletion with what was asked for."""
    item, log = kept
    answer = calls.whole(log.response)
    answer = answer if isinstance(answer, dict) else {}
    request = calls.parse(log.request)
    asked = request if isinstance(request, dict) else {}
    return {
        **_asked(asked),
        "system_fingerprint": None,
        **answer,
        "id": item.id,
        "object": "chat.completion",
        "created": answer.get("created") or int(log.created_at),
        "model": answer.get("model") or item.model,
        "choices": [_choice(choice) for choice in _objects(answer.get("choices"))],
        "usage": answer.get("usage") or _usage(log),
        "request_id": log.id,
        "metadata": dict(item.metadata),
    }


#: what of a request is shown beside its answer, and what counts where it says nothing
_DEFAULTS: Mapping[str, Json] = {
    "tool_choice": None,
    "tools": None,
    "response_format": None,
    "seed": None,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "service_tier": "default",
}


def _asked(request: Mapping[str, Json]) -> dict[str, Json]:
    shown = {key: default if request.get(key) is None else request[key] for key, default in _DEFAULTS.items()}
    return {**shown, "input_user": request.get("user")}


def _message(message: Message, message_id: str) -> Message:
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    text = content if parts is None else calls.content_text(parts) or None
    return {"name": None, **message, "id": message_id, "content": text, "content_parts": parts}


def _choice(choice: Mapping[str, Json]) -> dict[str, Json]:
    message = choice.get("message")
    said = message if isinstance(message, dict) else {}
    return {"logprobs": None, **choice, "message": {"role": "assistant", "content": None, "refusal": None, **said}}


def _usage(log: Log) -> dict[str, int] | None:
    """What the Log knows where a stream did not say it."""
    if log.prompt_tokens is None or log.completion_tokens is None:
        return None
    total = log.prompt_tokens + log.completion_tokens
    return {"prompt_tokens": log.prompt_tokens, "completion_tokens": log.completion_tokens, "total_tokens": total}


def _objects(value: Json) -> Sequence[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else ()


def _unknown(completion_id: str) -> NotFound:
    return NotFound(
        f"No chat completion found with id '{completion_id}'. Only those made with `store: true` are kept.",
        param="completion_id",
    )
