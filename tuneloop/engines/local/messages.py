"""The messages of a chat request: what they may be, and OpenAI's words for what they may not."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.engines.local.fields import Fields
from tuneloop.types import Message

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_INSTRUCTIONS = ("system", "developer")
#: types of content parts that OpenAI knows
_PARTS = ("text", "image_url", "input_audio", "refusal", "file")


def read_messages(asked: Fields) -> list[Message]:
    """The field `messages`, as it came. Raises InvalidInput."""
    if "messages" not in asked:
        raise asked.missing("messages")
    messages = asked.objects("messages")
    if not messages:
        raise _empty(asked, "messages")
    for message in messages:
        _check(message)
    return asked.array("messages") or []


def without_oldest(messages: Sequence[Message]) -> list[Message]:
    """The messages without the oldest that is no instruction, and without what the model did before the user spoke
    again; none where nothing would be left to answer."""
    begin = next((index for index, one in enumerate(messages) if one["role"] not in _INSTRUCTIONS), len(messages))
    rest = list(messages[begin + 1 :])
    while rest and rest[0]["role"] in ("assistant", "tool", "function"):
        del rest[0]
    return [*messages[:begin], *rest] if rest else []


def _check(message: Fields) -> None:
    role = message.choice("role", ROLES)
    if role is None:
        raise message.missing("role")
    message.text("name")
    _check_content(message, role)
    if role == "tool" and message.text("tool_call_id") is None:
        raise message.error(
            "tool_call_id",
            "Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'.",
            "missing_required_parameter",
        )
    if role == "function" and "name" not in message:
        raise message.missing("name")
    _check_calls(message)


def _check_content(message: Fields, role: str) -> None:
    content = message.raw("content")
    if content is None:
        if role in ("assistant", "function"):
            return
        if "content" in list(message):
            raise message.error("content", "Invalid value for 'content': expected a string, got null.", "invalid_type")
        raise message.missing("content")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise message.error(
            "content",
            f"Invalid type for '{message.name('content')}': expected one of a string or an array of objects.",
            "invalid_type",
        )
    if not content:
        raise _empty(message, "content")
    for part in message.objects("content"):
        _check_part(part)


def _check_part(part: Fields) -> None:
    kind = part.choice("type", _PARTS)
    if kind is None:
        raise part.missing("type")
    if kind not in ("text", "refusal"):
        raise part.error(
            "type", f"This model reads text only; it cannot take content of type {kind!r}.", "invalid_value"
        )
    if part.text(kind) is None:
        raise part.missing(kind)


def _check_calls(message: Fields) -> None:
    for call in message.objects("tool_calls"):
        kind = call.choice("type", ("function", "custom"))
        if call.text("id") is None:
            raise call.missing("id")
        if kind is None:
            raise call.missing("type")
        if kind == "custom":
            raise call.error("type", "This model knows tools of the type 'function' only.", "invalid_value")
        _check_function(call, "function")
    if "function_call" in message:
        _check_function(message, "function_call")


def _check_function(holder: Fields, name: str) -> None:
    function = holder.object(name)
    if function is None:
        raise holder.missing(name)
    for field in ("name", "arguments"):
        if function.text(field) is None:
            raise function.missing(field)


def _empty(holder: Fields, name: str) -> Exception:
    message = (
        f"Invalid '{holder.name(name)}': empty array. Expected an array with minimum length 1, "
        "but got an empty array instead."
    )
    return holder.error(name, message, "empty_array")
