"""The tools of a chat request, and which of them have to or may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tuneloop.engines.local.fields import Fields
from tuneloop.types import Json, Tool

_NAME = re.compile("[a-zA-Z0-9_-]{1,64}")
_MOST_TOOLS = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolUse:
    """What may be called. `tools` are shown to the model; it may call those of them that are `allowed`."""

    tools: Sequence[Tool] = ()
    allowed: Sequence[Tool] = ()
    mode: Literal["none", "auto", "required"] = "none"
    #: whether an answer may have several calls
    parallel: bool = True
    #: asked for with the older fields `functions` and `function_call`, and answered with the older ones
    legacy: bool = False


def read_tools(asked: Fields) -> ToolUse:
    """The fields `tools`, `tool_choice` and `parallel_tool_calls`, or the older ones. Raises InvalidInput."""
    legacy = "tools" not in asked and "functions" in asked
    tools = _functions(asked) if legacy else _tools(asked)
    parallel = asked.boolean("parallel_tool_calls") is not False
    param, needed = ("function_call", "functions") if legacy else ("tool_choice", "tools")
    if not tools:
        if asked.raw(param) not in (None, "none", "auto"):
            raise asked.error(param, f"'{param}' is only allowed when '{needed}' are specified.")
        return ToolUse()
    choice = _function_call(asked) if legacy else _tool_choice(asked)
    allowed = tools if choice.names is None else [one for one in tools if one["function"]["name"] in choice.names]
    for name in choice.names or ():
        if name not in {tool["function"]["name"] for tool in allowed}:
            raise asked.error(param, f"Invalid value for '{param}': {name!r} is not one of the '{needed}'.")
    return ToolUse(
        tools=tools,
        allowed=allowed,
        mode=choice.mode if allowed else "none",
        parallel=parallel and not choice.single,
        legacy=legacy,
    )


def _tools(asked: Fields) -> list[Tool]:
    tools = asked.objects("tools")
    _check_number(asked, "tools", len(tools))
    for tool in tools:
        kind = tool.choice("type", ("function", "custom"))
        if kind is None:
            raise tool.missing("type")
        if kind == "custom":
            raise tool.error("type", "This model knows tools of the type 'function' only.", "invalid_value")
        function = tool.object("function")
        if function is None:
            raise tool.missing("function")
        _check_function(function)
    return asked.array("tools") or []


def _functions(asked: Fields) -> list[Tool]:
    functions = asked.objects("functions")
    _check_number(asked, "functions", len(functions))
    for function in functions:
        _check_function(function)
    return [{"type": "function", "function": function} for function in asked.array("functions") or ()]


def _check_number(asked: Fields, name: str, number: int) -> None:
    if number > _MOST_TOOLS:
        raise asked.error(
            name,
            f"Invalid '{name}': array too long. Expected an array with maximum length {_MOST_TOOLS}, but got an array "
            f"with length {number} instead.",
            "array_above_max_length",
        )


def _check_function(function: Fields) -> None:
    name = function.text("name")
    if name is None:
        raise function.missing("name")
    if not _NAME.fullmatch(name):
        message = (
            f"Invalid '{function.name('name')}': string does not match pattern. Expected a string that matches the "
            f"pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters, but got {name!r} instead."
        )
        raise function.error("name", message, "invalid_value")
    function.text("description")
    function.boolean("strict")
    function.mapping("parameters")


class _Choice(NamedTuple):
    mode: Literal["none", "auto", "required"]
    #: those that may be called, None for all
    names: Sequence[str] | None = None
    #: whether there is one call at most
    single: bool = False


def _tool_choice(asked: Fields) -> _Choice:
    choice = asked.raw("tool_choice")
    if choice is None or isinstance(choice, str):
        return _Choice(_mode(asked.choice("tool_choice", ("none", "auto", "required"))))
    given = asked.object("tool_choice") or asked
    kind = given.choice("type", ("function", "allowed_tools"))
    if kind == "function":
        return _Choice("required", [_named(given)], single=True)
    if kind is None:
        raise given.missing("type")
    allowed = given.object("allowed_tools")
    if allowed is None:
        raise given.missing("allowed_tools")
    names = [_named(tool) for tool in allowed.objects("tools")]
    return _Choice(_mode(allowed.choice("mode", ("auto", "required"))), names)


def _function_call(asked: Fields) -> _Choice:
    choice: Json = asked.raw("function_call")
    if choice is None or isinstance(choice, str):
        return _Choice(_mode(asked.choice("function_call", ("none", "auto"))), single=True)
    name = (asked.object("function_call") or asked).text("name")
    if name is None:
        raise asked.missing("function_call.name")
    return _Choice("required", [name], single=True)


def _mode(choice: str | None) -> Literal["none", "auto", "required"]:
    return "none" if choice == "none" else "required" if choice == "required" else "auto"


def _named(tool: Fields) -> str:
    function = tool.object("function")
    if function is None:
        raise tool.missing("function")
    name = function.text("name")
    if name is None:
        raise function.missing("name")
    return name
