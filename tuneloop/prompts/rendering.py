"""A Prompt filled in: its messages with values in place of variables, before or around those of a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from tuneloop.calls import content_text
from tuneloop.errors import InvalidInput
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.prompts import templates
from tuneloop.types import Json, Message

#: the variable that is the conversation's last user message where no value is given for it
INPUT = "input"
INSTRUCTIONS = ("system", "developer")
#: what OpenAI's Responses can have as variables, and a text cannot
_FILES = ("input_image", "input_file")


def variables(draft: Draft) -> list[str]:
    """The names of a prompt's variables, in the order of their first place."""
    return list(dict.fromkeys(name for text in texts(draft.messages) for name in templates.variables(text)))


def texts(messages: Sequence[Message]) -> list[str]:
    """Every text in these messages' contents."""
    return [text for message in messages for text in _texts(message.get("content"))]


def render(prompt: Prompt, values: Mapping[str, Json], *, param: str = "variables") -> list[Message]:
    """The messages with every variable filled in: texts as they are, anything else as JSON.

    Raises InvalidInput, below `param`, for a variable without a value and a value without a variable.
    """
    names = variables(prompt)
    unknown = next((name for name in values if name not in names), None)
    if unknown is not None:
        has = f"it has {_listed(names)}" if names else "it has none"
        raise InvalidInput(f"prompt {prompt.reference} has no variable {unknown!r}: {has}.", param=f"{param}.{unknown}")
    missing = [name for name in names if name not in values]
    if missing:
        raise InvalidInput(
            f"prompt {prompt.reference} needs a value for {_listed(missing)} in '{param}'.",
            param=f"{param}.{missing[0]}",
            code="missing_required_parameter",
        )
    written = {name: _written(value, f"{param}.{name}") for name, value in values.items()}
    return each_text(prompt.messages, lambda text: templates.fill(text, written))


def around(
    prompt: Prompt, own: Sequence[Message], values: Mapping[str, Json], *, param: str = "variables"
) -> list[Message]:
    """The prompt's messages, and those of a conversation after them.

    Where the prompt has {{input}} and `values` has not, it is the conversation's last user message, in whose place the
    prompt's comes: what went before stays before it. Raises InvalidInput as `render` does.
    """
    last = next((i for i in reversed(range(len(own))) if own[i].get("role") == "user"), None)
    if last is None or INPUT in values or INPUT not in variables(prompt):
        return [*render(prompt, values, param=param), *own]
    asked = own[last].get("content")
    rendered = render(prompt, {**values, INPUT: content_text(asked)}, param=param)
    at = _asking(prompt.messages)
    if at is None:
        return [*rendered, *own]
    question = {**rendered[at], "content": _with_pictures(rendered[at].get("content"), asked)}
    return [*rendered[:at], *own[:last], question, *own[last + 1 :], *rendered[at + 1 :]]


def fix(draft: Draft, values: Mapping[str, str]) -> Draft:
    """The draft with some variables' values written into it; the others stay variables. Raises InvalidInput."""
    names = variables(draft)
    for name in values:
        if name not in names:
            raise InvalidInput(f"there is no variable {name!r}: there are {_listed(names) or 'none'}.", param=name)
    return replace(draft, messages=each_text(draft.messages, lambda text: templates.fix(text, values)))


def messages(prompt: Prompt, row: Sequence[Message], values: Mapping[str, Json]) -> list[Message]:
    """What a model is asked for a row with this prompt: the row's instructions (system and developer messages) give way
    to the prompt's, its conversation stays. Values that the prompt has no use for are left out. Raises InvalidInput."""
    names = variables(prompt)
    conversation = [message for message in row if message.get("role") not in INSTRUCTIONS]
    return around(prompt, conversation, {name: value for name, value in values.items() if name in names})


def request(prompt: Prompt, values: Mapping[str, Json]) -> dict[str, Json]:
    """The chat request that a prompt makes by itself. Raises InvalidInput."""
    asked = {"messages": render(prompt, values), **defaults(prompt)}
    return asked if prompt.model is None else {"model": prompt.model, **asked}


def defaults(prompt: Draft) -> dict[str, Json]:
    """The fields of a chat request that a prompt brings along, beside model and messages."""
    made = dict(prompt.parameters)
    if prompt.tools:
        made["tools"] = list(prompt.tools)
    if prompt.response_format is not None:
        made["response_format"] = dict(prompt.response_format)
    return made


def each_text(messages: Sequence[Message], change: Callable[[str], str]) -> list[Message]:
    """The messages with every text of their contents changed."""
    return [
        {**message, "content": _changed(message["content"], change)} if "content" in message else dict(message)
        for message in messages
    ]


def _changed(content: Json, change: Callable[[str], str]) -> Json:
    if isinstance(content, str):
        return change(content)
    if not isinstance(content, list):
        return content
    return [{**part, "text": change(part["text"])} if _is_text(part) else part for part in content]


def _texts(content: Json) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content if _is_text(part)] if isinstance(content, list) else []


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _asking(messages: Sequence[Message]) -> int | None:
    """The last user message with {{input}} in it."""
    asking = [
        number
        for number, message in enumerate(messages)
        if message.get("role") == "user"
        and any(INPUT in templates.variables(text) for text in _texts(message.get("content")))
    ]
    return asking[-1] if asking else None


def _with_pictures(content: Json, asked: Json) -> Json:
    """The prompt's content, with what was in the user's beside texts."""
    others = [part for part in asked if not _is_text(part)] if isinstance(asked, list) else []
    if not others:
        return content
    if isinstance(content, list):
        return [*content, *others]
    kind = next((part.get("type") for part in asked if _is_text(part)), None)
    return [{"type": kind or "text", "text": content}, *others]


def _written(value: Json, param: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        if value.get("type") == "input_text" and isinstance(value.get("text"), str):
            return str(value["text"])
        if value.get("type") in _FILES:
            raise InvalidInput(f"'{param}' is an {value['type']}; values of variables here are texts.", param=param)
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
