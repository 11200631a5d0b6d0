r"""A prompt as a text that people read, compare and edit:

    model: gpt-4o-mini
    temperature: 0.2
    --- system
    You answer the customers of {{company}}.
    --- user
    {{input}}

Above the first message: model, parameters, tools and response_format, one a line, as JSON or a plain word. What a
message has beside role and text is JSON behind its role. A line of a text that begins with `---` or `\---` has one more
backslash. A text without such lines is a system message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tuneloop import calls
from tuneloop.errors import InvalidInput
from tuneloop.prompt_types import Draft
from tuneloop.prompts.drafts import ROLES
from tuneloop.prompts.rendering import defaults
from tuneloop.types import Json, Message

_MESSAGE = re.compile(rf"--- ({'|'.join(ROLES)})(?: (\{{.*\}}))?[ \t]*")
_ESCAPED = re.compile(r"(?m)^(\\*---)")
_FIELDS = ("model", "tools", "response_format")


def write(prompt: Draft) -> str:
    """The text of a prompt, without its name and note."""
    head = {"model": prompt.model, **defaults(prompt)}
    lines = [f"{name}: {_word(value)}" for name, value in head.items() if value is not None]
    return "\n".join([*lines, *map(_message, prompt.messages)]) + "\n"


def read(text: str) -> dict[str, Json]:
    """The fields of a prompt, as `drafts.read` takes them, without a name. Raises InvalidInput."""
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    starts = [number for number, line in enumerate(lines) if _MESSAGE.fullmatch(line)]
    if not starts:
        return {"messages": [{"role": "system", "content": "\n".join(lines)}]}
    fields: dict[str, Json] = {}
    for line in filter(str.strip, lines[: starts[0]]):
        name, colon, value = line.partition(":")
        if not colon or not name.strip().isidentifier():
            raise InvalidInput(f"expected 'name: value' above the first message, not {line!r}", param="messages")
        fields[name.strip()] = _value(value.strip(), name.strip())
    parts = [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]
    found = {name: fields.pop(name) for name in _FIELDS if name in fields}
    return {**found, "parameters": fields, "messages": [_read_message(head, rest) for head, *rest in parts]}


def _message(message: Message) -> str:
    content = message.get("content")
    more = {name: value for name, value in message.items() if name != "role"}
    if isinstance(content, str):
        del more["content"]
    role = f"--- {message['role']}" + (f" {_json(more)}" if more else "")
    return f"{role}\n{_ESCAPED.sub(_add_backslash, content)}" if isinstance(content, str) else role


def _read_message(head: str, lines: list[str]) -> dict[str, Json]:
    match = _MESSAGE.fullmatch(head)
    assert match is not None
    more: Mapping[str, Any] = _value(match[2], head) if match[2] else {}
    if "content" in more or (more and not lines):
        return {"role": match[1], **more}
    text = "\n".join(line[1:] if re.match(r"\\+---", line) else line for line in lines)
    return {"role": match[1], **more, "content": text}


def _add_backslash(match: re.Match[str]) -> str:
    return f"\\{match[1]}"


def _word(value: Json) -> str:
    """A value in a line: a plain word where it cannot be taken for JSON."""
    plain = isinstance(value, str) and value == value.strip() and value.isprintable() and value[:1] not in '"{['
    return str(value) if plain and value and calls.parse(str(value).encode()) is None else _json(value)


def _value(text: str, name: str) -> Json:
    """JSON, or else a plain word. Raises InvalidInput for a text that is neither."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if text[:1] in '"{[':
            raise InvalidInput(f"{name}: {text[:60]!r} is not JSON: {error}", param="messages") from error
        return text


def _json(value: Json) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
