"""A Draft read from JSON, with every field checked before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop import fields
from tuneloop.errors import InvalidInput
from tuneloop.prompt_types import Draft
from tuneloop.prompts import templates
from tuneloop.types import Json, Message, Tool

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: fields of a request that are not parameters of the model: a call's own, or a prompt's under another name
_NOT_PARAMETERS = frozenset(
    ("model", "messages", "tools", "response_format", "prompt", "stream", "stream_options", "metadata", "store", "user")
    + ("input", "instructions", "previous_response_id")
)
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "frequency_penalty": (-2, 2),
    "presence_penalty": (-2, 2),
    "max_tokens": (1, 2**31 - 1),
    "max_completion_tokens": (1, 2**31 - 1),
}


def read(body: Mapping[str, Json]) -> Draft:
    """`{"name", "messages", "model", "parameters", "tools", "response_format", "note"}`. Raises InvalidInput."""
    name = fields.text(body, "name")
    check_name(name)
    note, model = body.get("note"), body.get("model")
    return Draft(
        name=name,
        messages=messages(fields.required(body, "messages")),
        model=None if model is None else fields.text(body, "model"),
        parameters=parameters(body.get("parameters")),
        tools=_tools(body.get("tools")),
        response_format=_response_format(body.get("response_format")),
        note=None if note is None else fields.typed(note, str, "note"),
    )


def check_name(name: str) -> None:
    """Raises InvalidInput."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"Invalid 'name': {name!r}. A prompt's name is 1 to 64 letters, digits and . _ -, beginning with a letter "
            "or digit.",
            param="name",
        )


def messages(given: Json) -> list[Message]:
    """The template's messages. Raises InvalidInput that names the place."""
    found: list[Message] = fields.typed(given, list, "messages")
    if not found:
        raise InvalidInput("Invalid 'messages': empty array.", param="messages", code="empty_array")
    for number, message in enumerate(found):
        _check_message(fields.typed(message, dict, f"messages[{number}]"), f"messages[{number}]")
    return found


def parameters(given: Json) -> dict[str, Json]:
    """Parameters of the model as a chat request has them. Raises InvalidInput."""
    found: dict[str, Json] = {} if given is None else fields.typed(given, dict, "parameters")
    for name in found:
        if name in _NOT_PARAMETERS or not name.isidentifier():
            raise InvalidInput(f"{name!r} is no parameter of a prompt's.", param=f"parameters.{name}")
    for name, (low, high) in _BOUNDS.items():
        if found.get(name) is not None:
            _check_number(found[name], low, high, f"parameters.{name}")
    return {name: value for name, value in found.items() if value is not None}


def _check_number(value: Json, low: float, high: float, param: str) -> None:
    whole = param.endswith("_tokens") or isinstance(value, int)
    fields.typed(value, int if whole else float, param)
    if not low <= value <= high:
        raise InvalidInput(f"Invalid '{param}': expected {low:g} to {high:g}, but got {value} instead.", param=param)


def _check_message(message: Mapping[str, Any], where: str) -> None:
    fields.one_of({f"{where}.role": message.get("role")}, f"{where}.role", ROLES)
    content, param = message.get("content"), f"{where}.content"
    if content is None and not message.get("tool_calls") and not message.get("function_call"):
        raise InvalidInput(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if isinstance(content, str):
        _check_template(content, param)
    elif content is not None:
        for number, part in enumerate(fields.typed(content, list, param)):
            _check_part(fields.typed(part, dict, f"{param}[{number}]"), f"{param}[{number}]")


def _check_part(part: Mapping[str, Json], where: str) -> None:
    kind = fields.text({f"{where}.type": part.get("type")}, f"{where}.type")
    if kind == "text" or "text" in part:
        text = fields.required({f"{where}.text": part.get("text")}, f"{where}.text")
        _check_template(fields.typed(text, str, f"{where}.text"), f"{where}.text")


def _check_template(text: str, param: str) -> None:
    try:
        templates.parse(text)
    except InvalidInput as error:
        raise InvalidInput(f"Invalid '{param}': {error.message}.", param=param, code="invalid_template") from None


def _tools(given: Json) -> Sequence[Tool]:
    found: list[Tool] = [] if given is None else fields.typed(given, list, "tools")
    for number, tool in enumerate(found):
        fields.typed(tool, dict, f"tools[{number}]")
    return found


def _response_format(given: Json) -> Mapping[str, Json] | None:
    found: Mapping[str, Json] | None = None if given is None else fields.typed(given, dict, "response_format")
    return found
