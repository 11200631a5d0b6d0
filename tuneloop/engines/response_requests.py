"""A request of the Responses API as the chat completion that answers it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tuneloop import fields, items
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.protocols import Memory
from tuneloop.types import Json

_TYPES: Mapping[str, type] = {
    "background": bool,
    "include": list,
    "instructions": str,
    "max_output_tokens": int,
    "max_tool_calls": int,
    "parallel_tool_calls": bool,
    "previous_response_id": str,
    "reasoning": dict,
    "store": bool,
    "stream": bool,
    "text": dict,
    "tools": list,
    "top_logprobs": int,
    "truncation": str,
    "user": str,
}
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "max_output_tokens": (1, 2**31),
    "temperature": (0, 2),
    "top_logprobs": (0, 20),
    "top_p": (0, 1),
}
#: what only OpenAI's own servers do or keep; what is empty or false asks for nothing
_ELSEWHERE = {
    "background": "is not offered for local models",
    "conversation": "is not offered for local models",
    "prompt": "names none that is kept here (GET /v1/prompts lists those)",
}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LOGPROBS = "message.output_text.logprobs"
_INCLUDES = (
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    _LOGPROBS,
)
#: chat's names of fields, and those of the Responses API
_NAMES = (
    (re.compile(r"messages.*"), "input"),
    (re.compile(r"response_format\.json_schema|response_format"), "text.format"),
    (re.compile(r"max_completion_tokens|max_tokens"), "max_output_tokens"),
    (re.compile(r"reasoning_effort"), "reasoning.effort"),
    (re.compile(r"(tools\[?\.?\d+\]?|tool_choice)\.function"), r"\1"),
)


def to_chat(asked: Mapping[str, Json], memory: Memory | None) -> dict[str, Json]:
    """The body for /chat/completions. Raises InvalidInput, in the words of the Responses API, and NotFound."""
    _check(asked)
    text, reasoning = asked.get("text") or {}, asked.get("reasoning") or {}
    tools, choice = _tools(asked)
    logprobs = bool(asked.get("top_logprobs")) or _LOGPROBS in (asked.get("include") or ())
    made = {
        "model": asked["model"],
        "messages": _messages(asked, memory),
        "temperature": asked.get("temperature"),
        "top_p": asked.get("top_p"),
        "max_completion_tokens": asked.get("max_output_tokens"),
        "logprobs": logprobs or None,
        "top_logprobs": asked.get("top_logprobs") if logprobs else None,
        "response_format": _response_format(text.get("format")),
        "reasoning_effort": reasoning.get("effort"),
        "verbosity": text.get("verbosity"),
        "truncation": "auto" if asked.get("truncation") == "auto" else None,
        "tools": tools or None,
        "tool_choice": choice if tools else None,
        "parallel_tool_calls": asked.get("parallel_tool_calls") if tools else None,
        "stream": asked.get("stream"),
        "stream_options": {"include_usage": True} if asked.get("stream") else None,
    }
    return {key: value for key, value in made.items() if value is not None}


def renamed(error: TuneloopError) -> TuneloopError:
    """An error about a chat completion, about the fields of the Responses API."""
    for pattern, name in _NAMES if error.param else ():
        error.param = pattern.sub(name, error.param or "")
    return error


def _check(asked: Mapping[str, Json]) -> None:
    given = {name: value for name, value in asked.items() if value is not None}
    for name, why in _ELSEWHERE.items():
        if given.get(name):
            raise InvalidInput(
                f"Unsupported parameter: '{name}' {why}.",
                param=name,
                code="unsupported_parameter",
            )
    for name in given.keys() & _TYPES:
        fields.typed(given[name], _TYPES[name], name)
    for name in given.keys() & _BOUNDS:
        _within(given[name], *_BOUNDS[name], name)
    fields.metadata(given.get("metadata"))
    if "truncation" in given:
        fields.one_of(given, "truncation", ("auto", "disabled"))
    for number, value in enumerate(given.get("include", ())):
        fields.one_of({f"include[{number}]": value}, f"include[{number}]", _INCLUDES)


def _within(value: Json, low: float, high: float, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        fields.typed(value, float, name)
    if not low <= value <= high:
        side, bound = ("below minimum", f">= {low}") if value < low else ("above maximum", f"<= {high}")
        kind, code = ("integer" if name in _TYPES else "decimal"), "below_min" if value < low else "above_max"
        message = f"Invalid '{name}': {kind} {side} value. Expected a value {bound}, but got {value} instead."
        raise InvalidInput(message, param=name, code=f"{kind}_{code}_value")


def _messages(asked: Mapping[str, Json], memory: Memory | None) -> list[Json]:
    given = items.listed(asked.get("input"))
    previous = asked.get("previous_response_id")
    if not given and not previous:
        fields.required({"input": given or None}, "input")
    before = _remembered(memory).conversation(previous) if previous else ()
    known = [_resolved(item, memory) for item in given]
    said = items.messages([*before, *known], len(before))
    instructions = asked.get("instructions")
    return [{"role": "system", "content": instructions}, *said] if instructions else said


def _resolved(item: Mapping[str, Json], memory: Memory | None) -> Mapping[str, Json]:
    return _remembered(memory).item(str(item.get("id"))) if item["type"] == "item_reference" else item


def _remembered(memory: Memory | None) -> Memory:
    if memory is None:
        raise InvalidInput("Nothing is kept here that a response could go on from.", param="previous_response_id")
    return memory


def _response_format(given: Json) -> Json:
    if given is None:
        return None
    fields.typed(given, dict, "text.format")
    named = {f"text.format.{key}": value for key, value in given.items()}
    kind = fields.one_of(named, "text.format.type", ("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return {"type": kind} if kind == "json_object" else None
    if not _NAME.fullmatch(fields.text(named, "text.format.name")):
        raise InvalidInput(
            "Invalid 'text.format.name': it has at most 64 letters, digits, underscores and dashes.",
            param="text.format.name",
            code="invalid_value",
        )
    fields.typed(fields.required(named, "text.format.schema"), dict, "text.format.schema")
    kept = ("name", "schema", "strict", "description")
    return {"type": kind, kind: {key: given[key] for key in kept if given.get(key) is not None}}


def _tools(asked: Mapping[str, Json]) -> tuple[list[Json], Json]:
    """Chat's `tools` and `tool_choice`."""
    for number, tool in enumerate(asked.get("tools") or ()):
        where = f"tools[{number}]"
        fields.typed(tool, dict, where)
        if tool.get("type") != "function":
            raise InvalidInput(
                f"Invalid value: {tool.get('type')!r}. Local models call functions: tools of type 'function'.",
                param=f"{where}.type",
                code="invalid_value",
            )
        fields.text({f"{where}.name": tool.get("name")}, f"{where}.name")
    functions, choice = items.functions(asked.get("tools")), asked.get("tool_choice")
    if not isinstance(choice, dict):
        if choice not in (None, "none", "auto", "required"):
            fields.one_of(asked, "tool_choice", ("none", "auto", "required"))
        if choice == "required" and not functions:
            raise InvalidInput("Tool choice 'required' must be specified with 'tools'.", param="tool_choice")
        return functions, choice
    return _chosen(functions, choice)


def _chosen(functions: list[Json], choice: Mapping[str, Any]) -> tuple[list[Json], Json]:
    match choice.get("type"):
        case "function":
            name = fields.text({"tool_choice.name": choice.get("name")}, "tool_choice.name")
            return functions, {"type": "function", "function": {"name": name}}
        case "allowed_tools":
            mode = fields.one_of({"tool_choice.mode": choice.get("mode")}, "tool_choice.mode", ("auto", "required"))
            tools = fields.typed(choice.get("tools"), list, "tool_choice.tools")
            allowed = [tool.get("name") for tool in tools if isinstance(tool, dict)]
            return [tool for tool in functions if tool["function"]["name"] in allowed], mode
        case other:
            raise InvalidInput(
                f"Invalid value: {other!r}. Local models know a tool_choice of type 'function' or 'allowed_tools'.",
                param="tool_choice.type",
                code="invalid_value",
            )
