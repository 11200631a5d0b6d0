"""What messages, tools and weights of a training row may be; complaints say where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.errors import InvalidData
from tuneloop.types import Json, Message

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def checked(messages: Json, where: str) -> list[Message]:
    """The value of a key `messages`. Raises InvalidData, which begins with `where` they stand."""
    if not isinstance(messages, list) or not messages:
        raise InvalidData(f"{where}: 'messages' must be a list with at least one message")
    for index, message in enumerate(messages, start=1):
        _check_message(message, f"{where}, message {index}")
    return messages


def _check_message(message: Json, where: str) -> None:
    if not isinstance(message, dict):
        raise InvalidData(f"{where}: expected an object, not {type(message).__name__}")
    role = message.get("role")
    if role is None:
        raise InvalidData(f"{where}: 'role' is missing")
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidData(f"{where}: unknown role {role!r}, expected one of {', '.join(sorted(_ROLES))}")
    _check_content(message, where)
    for call in objects(message, "tool_calls", where):
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidData(f"{where}: each of 'tool_calls' needs a 'function' with a 'name'")
    if "weight" in message and role != "assistant":
        raise InvalidData(f"{where}: only an assistant's message may have a 'weight'")
    weight_of(message, where, most=1.0)


def _check_content(message: Message, where: str) -> None:
    content = message.get("content")
    if content is None:
        if message["role"] == "assistant" and (message.get("tool_calls") or message.get("function_call")):
            return
        raise InvalidData(f"{where}: 'content' is missing")
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise InvalidData(f"{where}: 'content' must be text or a list of content parts")
    for part in content:
        if part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise InvalidData(f"{where}: content part {part.get('type')!r} is not supported, only 'text' is")


def objects(value: Mapping[str, Json], key: str, where: str) -> list[Json]:
    """The list of objects under a key, empty when there is none. Raises InvalidData."""
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidData(f"{where}: {key!r} must be a list of objects")
    return items


def weight_of(value: Mapping[str, Json], where: str, most: float) -> float:
    """The weight of a row or a message, 1 when none is given. Raises InvalidData."""
    weight = value.get("weight", 1.0)
    if weight is None:
        return 1.0
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= most:
        limit = f"between 0 and {most:g}" if most < float("inf") else "that is not negative"
        raise InvalidData(f"{where}: 'weight' must be a number {limit}, not {weight!r}")
    return float(weight)
