"""Items of OpenAI's Responses, turned into the messages of chat and back. Pure functions.

An item is a message in parts, a call of a function, or what the function gave back; chat has the same three as
messages, with the calls inside the assistant's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from tuneloop.errors import InvalidInput
from tuneloop.types import Json, Message, Tool

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def listed(given: Json) -> list[dict[str, Json]]:
    """A request's `input` as items: a text is the user's message. Raises InvalidInput."""
    if given is None:
        return []
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if not isinstance(given, list):
        raise _wrong("input", "a string or an array of items", given)
    for number, item in enumerate(given):
        if not isinstance(item, dict):
            raise _wrong(f"input[{number}]", "an object", item)
    return [{**item, "type": kind_of(item)} for item in given]


def kind_of(item: Mapping[str, Json]) -> Json:
    """The type of an item, which messages and references may leave out."""
    return item.get("type") or ("message" if "role" in item else "item_reference" if "id" in item else None)


def messages(items: Iterable[Mapping[str, Json]], earlier: int = 0) -> list[Message]:
    """Items (from `listed`, references resolved) as messages. The first `earlier` are not of the input itself, but of
    a response before it. Raises InvalidInput for what chat has not."""
    made: list[Message] = []
    for number, item in enumerate(items, -earlier):
        where = f"input[{number}]" if number >= 0 else "previous_response_id"
        convert = _CONVERTERS.get(str(item["type"]))
        if convert is None:
            raise InvalidInput(
                f"Invalid value: {item['type']!r}. Local models take items of the types {', '.join(_CONVERTERS)}.",
                param=where,
                code="invalid_value",
            )
        _append(made, convert(item, where))
    _check_calls(made)
    return made


def functions(tools: Json) -> list[Tool]:
    """The functions among a request's `tools`, as chat has them."""
    found = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return [
        {"type": "function", "function": {key: tool[key] for key in _OF_FUNCTIONS if tool.get(key) is not None}}
        for tool in found
        if tool.get("type") == "function"
    ]


def answer(output: Json) -> Message | None:
    """A response's `output` as the assistant's message; None where it holds no text and no call."""
    said: list[str] = []
    calls: list[Json] = []
    for item in output if isinstance(output, list) else ():
        kind = item.get("type") if isinstance(item, dict) else None
        if kind == "message":
            said += [text for text in map(text_of, _parts(item.get("content"))) if text is not None]
        elif kind == "function_call":
            calls.append(_tool_call(item))
    if not said and not calls:
        return None
    message: Message = {"role": "assistant", "content": "".join(said) if said else None}
    return {**message, "tool_calls": calls} if calls else message


def text_of(part: Json) -> str | None:
    """The text of one part of a message's content; None where it is of another kind."""
    name = _TEXTS.get(str(part.get("type"))) if isinstance(part, dict) else None
    text = part.get(name) if name else None
    return text if isinstance(text, str) else None


_OF_FUNCTIONS = ("name", "description", "parameters", "strict")


def _message(item: Mapping[str, Json], where: str) -> Message:
    role = item.get("role")
    if role not in _ROLES:
        supported = ", ".join(map(repr, _ROLES))
        message = f"Invalid value: {role!r}. Supported values are: {supported}."
        raise InvalidInput(message, param=f"{where}.role", code="invalid_value")
    return {"role": role, "content": _content(item.get("content"), f"{where}.content")}


def _call(item: Mapping[str, Json], where: str) -> Message:
    for name in ("call_id", "name", "arguments"):
        _text(item, name, where)
    return {"role": "assistant", "content": None, "tool_calls": [_tool_call(item)]}


def _output(item: Mapping[str, Json], where: str) -> Message:
    content = _content(item.get("output"), f"{where}.output")
    return {"role": "tool", "tool_call_id": _text(item, "call_id", where), "content": content}


def _nothing(_item: Mapping[str, Json], _where: str) -> None:
    """What a model thought is not told to the next one."""


_CONVERTERS: Mapping[str, Callable[[Mapping[str, Json], str], Message | None]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _nothing,
}


def _append(made: list[Message], message: Message | None) -> None:
    if message is None:
        return
    last = made[-1] if made else {}
    if "tool_calls" in message and last.get("role") == "assistant":  # one turn of the assistant's, in several items
        made[-1] = {**last, "tool_calls": [*last.get("tool_calls", ()), *message["tool_calls"]]}
    else:
        made.append(message)


def _check_calls(made: Sequence[Message]) -> None:
    called = [call["id"] for message in made for call in message.get("tool_calls", ())]
    answered = [message["tool_call_id"] for message in made if message["role"] == "tool"]
    for call_id in answered:
        if call_id not in called:
            raise InvalidInput(f"No tool call found for function call output with call_id {call_id}.", param="input")
    for call_id in called:
        if call_id not in answered:
            raise InvalidInput(f"No tool output found for function call {call_id}.", param="input")


def _content(content: Json, where: str) -> Json:
    """Text, or several texts in chat's parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise _wrong(where, "a string or an array of parts", content)
    texts = []
    for number, part in enumerate(content):
        text = text_of(part)
        if text is None:
            kind = part.get("type") if isinstance(part, dict) else part
            raise InvalidInput(
                f"Invalid value: {kind!r}. Local models read text: parts of type input_text and output_text.",
                param=f"{where}[{number}]",
                code="invalid_value",
            )
        texts.append(text)
    return texts[0] if len(texts) == 1 else [{"type": "text", "text": text} for text in texts]


def _tool_call(item: Mapping[str, Json]) -> dict[str, Json]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "type": "function", "function": function}


def _parts(content: Json) -> Sequence[Json]:
    return content if isinstance(content, list) else ()


def _text(item: Mapping[str, Json], name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise _wrong(f"{where}.{name}", "a string", value)
    return value


def _wrong(where: str, expected: str, value: Json) -> InvalidInput:
    if value is None:
        message, code = f"Missing required parameter: '{where}'.", "missing_required_parameter"
    else:
        message, code = f"Invalid type for '{where}': expected {expected}.", "invalid_type"
    return InvalidInput(message, param=where, code=code)
