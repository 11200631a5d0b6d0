"""Messages with templates in them: what judges, and the models of evals, are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields, templates
from tuneloop.types import Json, Message

ROLES = ("system", "developer", "user", "assistant")
_TEXTS = ("input_text", "output_text", "text")


def check(holder: Mapping[str, Json], name: str, param: str) -> list[Message]:
    """The messages under a name, each `{role, content}`, content a text, a part or an array of them; roles as chat
    has them. Raises InvalidInput."""
    messages = fields.array(holder, name, param)
    for number, message in enumerate(messages):
        where = f"{param}.{name}[{number}]"
        fields.choice(fields.mapping(message, where), "role", where, ROLES)
        if message.get("content") is None:
            raise InvalidInput(f"Missing required parameter: '{where}.content'", param=f"{where}.content")
        for part in _parts(message["content"]):
            _check_part(part, f"{where}.content")
    return messages


def fill(messages: Sequence[Message], item: Mapping[str, Json], sample: Mapping[str, Json]) -> list[Message]:
    """The messages as a chat request has them, every template filled in. Raises GradingFailed."""
    return [
        {
            "role": message["role"],
            "content": _content([_filled(part, item, sample) for part in _parts(message["content"])]),
        }
        for message in messages
    ]


def as_chat(message: Message) -> Message:
    """A message of data as a chat request has it; there is no template in it."""
    return {**message, "content": _content(_parts(message.get("content")))}


def _filled(part: Any, item: Mapping[str, Json], sample: Mapping[str, Json]) -> Any:
    if isinstance(part, str):
        return templates.fill(part, item, sample)
    return {**part, **{key: templates.fill(part[key], item, sample) for key in ("text", "image_url") if key in part}}


def _parts(content: Json) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _check_part(part: Json, param: str) -> None:
    if isinstance(part, str):
        templates.check(part, param)
        return
    kind = fields.text(fields.mapping(part, param), "type", param)
    if kind in _TEXTS:
        templates.check(fields.text(part, "text", param), param)
    elif kind == "input_image":
        templates.check(fields.text(part, "image_url", param), param)
    elif kind == "input_audio":
        fields.mapping(part.get("input_audio"), f"{param}.input_audio")
    else:
        known = ", ".join((*_TEXTS, "input_image", "input_audio"))
        raise InvalidInput(f"'{param}' has a part of type {kind!r}; the types are {known}", param=param)


def _content(parts: list[Any]) -> Json:
    """Text alone as a plain text, which every model takes; parts of Responses in chat's shape."""
    if parts == [None]:
        return None
    shaped = [_shaped(part) for part in parts]
    if all(part.get("type") == "text" for part in shaped):
        return "\n".join(part["text"] for part in shaped)
    return shaped


def _shaped(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.get("type") in _TEXTS:
        return {"type": "text", "text": part.get("text", "")}
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"], "detail": part.get("detail") or "auto"}}
    return dict(part)
