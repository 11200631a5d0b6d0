"""What messages, tools and weights of a training row may be; complaints say where it is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuneloop.errors import InvalidData
from tuneloop.types import Json, Message, Tool

#: the code of what OpenAI takes for some of its models, and nobody here does
NOT_TEXT = "not_text"
_SEEN_ELSEWHERE = ("image_url", "input_audio", "file")
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def checked(messages: Json, where: str) -> list[Message]:
    """The value of a key `messages`, in which a refusal is text like any other. Raises InvalidData, which begins with
    `where` they stand.
    """
    if not isinstance(messages, list) or not messages:
        raise InvalidData(f"{where}: 'messages' must be a list with at least one message")
    return [checked_message(message, f"{where}, message {index}") for index, message in enumerate(messages, start=1)]


def complaints(messages: Json, where: str) -> Iterator[InvalidData]:
    """What is wrong with each of the messages, where `checked` names the first only."""
    for index, message in enumerate(messages if isinstance(messages, list) else (), start=1):
        try:
            checked_message(message, f"{where}, message {index}")
        except InvalidData as error:
            yield error


def checked_message(message: Json, where: str) -> Message:
    """A message by itself, as `checked` does with each."""
    if not isinstance(message, dict):
        raise InvalidData(f"{where}: expected an object, not {type(message).__name__}")
    role = message.get("role")
    if role is None:
        raise InvalidData(f"{where} Discriminator 'role' is missing in value")  # as OpenAI says it
    if not isinstance(role, str) or role not in _ROLES:
        raise InvalidData(f"{where}: unknown role {role!r}, expected one of {', '.join(sorted(_ROLES))}")
    for call in objects(message, "tool_calls", where):
        _check_call(call.get("function"), f"{where}: each of 'tool_calls' needs a 'function' with a 'name'")
    if message.get("function_call") is not None:
        _check_call(message["function_call"], f"{where}: 'function_call' must be an object with a 'name'")
    if message.get("weight") is not None and role != "assistant":
        raise InvalidData(f"{where}: only an assistant's message may have a 'weight'")
    weight_of(message, where, most=1.0)
    return {**message, "content": _content(message, where)}


def _check_call(function: Json, complaint: str) -> None:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidData(complaint)
    if not isinstance(function.get("arguments", ""), str | dict | None):
        raise InvalidData(f"{complaint}, and 'arguments' as a text of JSON")


def _content(message: Message, where: str) -> str | list[Json] | None:
    """A text, a list of text parts, or None where the message calls a tool."""
    content, answers = message.get("content"), message["role"] == "assistant"
    if content is None:
        if answers and isinstance(message.get("refusal"), str):
            return str(message["refusal"])
        if answers and (message.get("tool_calls") or message.get("function_call")):
            return None
        raise InvalidData(f"{where}: 'content' is missing")
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise InvalidData(f"{where}: 'content' must be text or a list of content parts")
    return [_part(part, where) for part in content]


def _part(part: Mapping[str, Json], where: str) -> Json:
    kind = part.get("type")
    if kind not in ("text", "refusal"):
        complaint = f"{where}: content part {kind!r} is not supported, only 'text' is: models here do not see"
        raise InvalidData(complaint, code=NOT_TEXT if kind in _SEEN_ELSEWHERE else None)
    text = part.get(kind)
    if not isinstance(text, str):
        raise InvalidData(f"{where}: a content part of type {kind!r} needs {kind!r}, a text")
    return {"type": "text", "text": text}


def tools_of(value: Mapping[str, Json], where: str) -> list[Tool]:
    """What a row lets its assistant call: its `tools`, and `functions` of the older format. Raises InvalidData."""
    tools = objects(value, "tools", where)
    tools += [{"type": "function", "function": function} for function in objects(value, "functions", where)]
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidData(f"{where}: each of 'tools' needs a 'function' with a 'name'")
        if not isinstance(function.get("parameters"), dict | None):
            raise InvalidData(
                f"{where}: 'parameters' of the tool {function['name']!r} must be a JSON schema, an object"
            )
    if not isinstance(value.get("parallel_tool_calls", True), bool | None):
        raise InvalidData(f"{where}: 'parallel_tool_calls' must be true or false")
    return tools


def objects(value: Mapping[str, Json], key: str, where: str) -> list[Json]:
    """The list of objects under a key, empty when there is none. Raises InvalidData."""
    items = value.get(key)
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidData(f"{where}: {key!r} must be a list of objects")
    return list(items)


def weight_of(value: Mapping[str, Json], where: str, most: float) -> float:
    """The weight of a row or a message, 1 when none is given. Raises InvalidData."""
    weight = value.get("weight", 1.0)
    if weight is None:
        return 1.0
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 <= weight <= most:
        limit = f"between 0 and {most:g}" if most < float("inf") else "that is not negative"
        raise InvalidData(f"{where}: 'weight' must be a number {limit}, not {weight!r}")
    return float(weight)
