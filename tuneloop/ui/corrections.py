"""The answer as it should have been: written in place of what was said, with what differs marked word by word."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable

from nicegui import ui

from tuneloop import calls
from tuneloop.errors import InvalidInput
from tuneloop.pages import text
from tuneloop.reports.differences import Piece, pieces
from tuneloop.types import Json, Log, Message
from tuneloop.ui import forms, parts

_TAGS = {"missing": "del", "added": "ins"}


def answer_of(log: Log) -> Message:
    """What was said, as a message that can be corrected."""
    return calls.answer_of(log.response) or {"role": "assistant", "content": log.output_text}


def marked(said: Message, right: Message) -> str:
    """A correction as markup: what it takes away, and what it puts in its place."""
    both = [(_text(said), _text(right)), (_calls(said), _calls(right))]
    shown = ["".join(_mark(piece) for piece in _pieces(old, new)) for old, new in both if old or new]
    return "".join(f'<p class="as-is correction">{one}</p>' for one in shown)


class Editor:
    """Where an answer is corrected. `save` takes the better message; `close` is called when it is not to be kept."""

    def __init__(
        self,
        said: Message,
        begin: Message,
        *,
        save: Callable[[Message], Awaitable[None]],
        close: Callable[[], object],
    ) -> None:
        self._said = said
        self._save = save
        self._begin = begin
        with parts.tag("div", "stack correcting"):
            self._text = self._area("The better answer", _text(begin)) if _text(begin) or not _calls(begin) else None
            self._calls = self._area("The tools it calls", _calls(begin)) if _calls(begin) else None
            with parts.tag("div", "differences").props('aria-live="polite"'):
                parts.text("p", "What changes", "part")
                self._marks = ui.html(marked(said, begin), sanitize=False)
            with parts.row("end"):
                parts.button("Cancel", close)
                parts.button("Save correction", self._finish, "main", label="Save the correction (Ctrl+Enter)")
        for area in filter(None, (self._text, self._calls)):
            area.on("keydown.ctrl.enter.prevent", self._finish)
            area.on("keydown.meta.enter.prevent", self._finish)
            area.on("keydown.escape", lambda: close())
        first = self._text or self._calls
        if first is not None:
            first.props("autofocus")

    def _area(self, label: str, value: str) -> ui.textarea:
        return forms.area(label, value, change=lambda _: self._mark())

    def _mark(self) -> None:
        try:
            self._marks.content = marked(self._said, self._message())
        except InvalidInput as error:
            self._marks.content = f'<p class="wrong">{text(error.message)}</p>'

    def _message(self) -> Message:
        made: Message = {**self._begin, "role": "assistant"}
        if self._text is not None:
            made["content"] = self._text.value or ""
        if self._calls is not None:
            made["tool_calls"] = _read(self._calls.value or "", self._begin.get("tool_calls") or [])
        return {name: value for name, value in made.items() if value is not None or name == "content"}

    async def _finish(self) -> None:
        message = self._message()
        if marked(self._said, message) == marked(self._said, self._said):
            raise InvalidInput("That is what was said already. Change it, or rate it good.", param="correction")
        await self._save({name: message[name] for name in ("role", "content", "tool_calls") if name in message})


def _text(message: Message) -> str:
    return calls.content_text(message.get("content"))


def _calls(message: Message) -> str:
    """The calls of a message as JSON to be edited."""
    functions = [call.get("function") or {} for call in message.get("tool_calls") or () if isinstance(call, dict)]
    shown = [{"name": one.get("name"), "arguments": _parsed(one.get("arguments"))} for one in functions]
    return json.dumps(shown, indent=2, ensure_ascii=False) if shown else ""


def _parsed(arguments: Json) -> Json:
    try:
        return json.loads(arguments)
    except (TypeError, ValueError, RecursionError):
        return arguments


def _read(edited: str, before: list[Json]) -> list[Json]:
    """The calls that somebody wrote as JSON; they keep the ids of those before. Raises InvalidInput."""
    try:
        found = json.loads(edited)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The tools it calls are no JSON: {error}", param="correction") from None
    if not isinstance(found, list) or not all(isinstance(one, dict) and one.get("name") for one in found):
        raise InvalidInput('Write the calls as [{"name": ..., "arguments": {...}}].', param="correction")
    ids = [call.get("id") for call in before if isinstance(call, dict)]
    return [
        {
            "id": (ids[number] if number < len(ids) else None) or f"call_{number + 1}",
            "type": "function",
            "function": {"name": str(one["name"]), "arguments": json.dumps(one.get("arguments", {}))},
        }
        for number, one in enumerate(found)
    ]


def _pieces(said: str, right: str) -> list[Piece]:
    """What differs, between the words that both begin and end with."""
    start = _shared(said, right)
    rest = (said[start:], right[start:])
    end = _shared(rest[0][::-1], rest[1][::-1])
    old, new = (one[: len(one) - end] for one in rest)
    middle = list(pieces(new, old)) if old and new else []
    if old != new and all(piece.kind == "same" for piece in middle):  # too much of it to be told apart
        middle = [Piece("missing", old), Piece("added", new)]
    return [Piece("same", said[:start]), *middle, Piece("same", said[len(said) - end :] if end else "")]


def _shared(one: str, other: str) -> int:
    """How many characters both begin with, without the part of a word."""
    length = len(os.path.commonprefix([one, other]))
    while length and any(part[length - 1 : length + 1].isalnum() and length < len(part) for part in (one, other)):
        length -= 1
    return length


def _mark(piece: Piece) -> str:
    name = _TAGS.get(piece.kind)
    said = text(piece.text)
    return f"<{name}>{said}</{name}>" if name and said else said
