"""How a model writes calls of tools: found out from its chat template, written in training, read when it answers.

    FIRST name BETWEEN arguments [MORE name BETWEEN arguments]* LAST

Hermes's way, for example, has `<tool_call>\\n{"name": "` as FIRST, `", "arguments": ` as BETWEEN and `}\\n</tool_call>`
as LAST; MORE is LAST, a line end and FIRST. ID stands where a template writes the id of a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from tuneloop.types import Json

#: stands for a call's id, which the model makes up
ID = "\0"
ID_PATTERN = "[A-Za-z0-9_-]{1,64}"
NAME_PATTERN = "[A-Za-z0-9_.-]{1,64}"
_OPENING = re.compile(r"\[[A-Z_]+\]|[^\s{\[(\"']+")
#: characters that a name and an id may add to the texts around them
_MOST_ADDED = 200


@dataclass(frozen=True, kw_only=True)
class CallFormat:
    """The four texts around names and arguments. `more` is None where an answer has one call only."""

    first: str
    between: str
    more: str | None
    last: str

    @property
    def opening(self) -> str:
        """The word by which a call is known as soon as it begins ("<tool_call>"); "" where calls begin as JSON does."""
        found = _OPENING.match(self.first.strip())
        return found[0] if found else ""

    def write(self, calls: Sequence[tuple[str, Json]]) -> str:
        """Calls as text, each a name and arguments (an object, or a text that is no JSON)."""
        text = ""
        for name, arguments in calls:
            before = self.more or f"{self.last}\n{self.first}" if text else self.first
            text += f"{before}{name}{self.between}{json.dumps(arguments, ensure_ascii=False)}"
        return text + self.last

    @cached_property
    def head(self) -> re.Pattern[str]:
        """What stands before the arguments of the first call; its group is the name."""
        return self._head(self.first)

    @cached_property
    def next_head(self) -> re.Pattern[str] | None:
        """What stands between the arguments of two calls; its group is the name of the second."""
        return self._head(self.more) if self.more is not None else None

    def _head(self, before: str) -> re.Pattern[str]:
        return re.compile(f"{_pattern(before.strip())}({NAME_PATTERN}){_pattern(self.between)}")


def _pattern(text: str) -> str:
    """Matches `text` with any white space in the place of some, and any id in the place of one."""
    escaped = r"\s*".join(re.escape(word) for word in re.split(r"\s+", text))
    return escaped.replace(re.escape(ID), ID_PATTERN)


#: for models whose template knows no calls
HERMES = CallFormat(
    first='<tool_call>\n{"name": "',
    between='", "arguments": ',
    more='}\n</tool_call>\n<tool_call>\n{"name": "',
    last="}\n</tool_call>",
)

#: names and ids of the calls that a template is asked to write, to see how it does; Mistral wants ids of this length
PROBES = (("probe_name", "probe0001"), ("other_name", "other0002"))
PROBE_ARGUMENTS = {"probe_key": "probe_value"}
_PROBE_ARGUMENTS = r'\{\s*"probe_key":\s*"probe_value"\s*\}'


def format_of(one: str, two: str | None) -> CallFormat | None:
    """The format of an answer that calls the first of PROBES, and of one that calls both.

    Answers end before their end-of-turn token. None where the format cannot be told from them.
    """
    for _, call_id in PROBES:
        one, two = one.replace(call_id, ID), two and two.replace(call_id, ID)
    (name, _), (other, _) = PROBES
    found = re.fullmatch(rf"(.*?){name}(.*?){_PROBE_ARGUMENTS}(.*)", one, re.DOTALL)
    if found is None or any(name in text for text in found.groups()):
        return None
    first, between, last = found.groups()
    call = rf"{re.escape(between)}{_PROBE_ARGUMENTS}"
    both = re.fullmatch(rf"{re.escape(first)}{name}{call}(.*){other}{call}{re.escape(last)}", two or "", re.DOTALL)
    if "</think>" in first:  # thoughts, be they empty, are no part of a call
        first = first.rpartition("</think>")[2].lstrip()
    return CallFormat(first=first, between=between, more=both[1] if both else None, last=last)


class CallPiece(NamedTuple):
    """What a bit of an answer adds: words of its content, the name of a call that begins, some of its arguments."""

    kind: Literal["content", "name", "arguments"]
    text: str


class CallReader:
    """Reads an answer bit by bit. What begins like a call and is none is content."""

    def __init__(self, form: CallFormat) -> None:
        self._form = form
        self._held = ""
        self._json = _JsonEnd()
        self._state: Literal["start", "text", "head", "arguments", "after", "plain"] = "start"

    @property
    def complete(self) -> bool:
        """Whether the last call that has begun has all its arguments."""
        return self._state == "after"

    def feed(self, text: str) -> Iterator[CallPiece]:
        """What is known with `text`, and was not before."""
        self._held += text
        while self._held:
            before = self._state, self._held
            yield from _STEPS[self._state](self)
            if (self._state, self._held) == before:
                break

    def close(self) -> Iterator[CallPiece]:
        """What was held back, at the end of the answer; of a call that has only just begun, nothing."""
        held, first = self._held.strip(), self._form.first.strip()
        begun = self._state == "head" and (held.startswith(first) or first.startswith(held))
        if self._held and self._state != "after" and not begun:
            yield CallPiece("content", self._held)
        self._held = ""

    def _at_start(self) -> Iterator[CallPiece]:
        """Calls without an opening word are known at the start of an answer only."""
        if self._form.opening:
            self._state = "text"
            return
        held, first = self._held.lstrip(), self._form.first.strip()
        if held and held[0] != first[0]:
            self._state = "plain"
        elif held:
            self._state = "head"
        yield from ()

    def _in_text(self) -> Iterator[CallPiece]:
        opening = self._form.opening
        found = self._held.find(opening)
        if found >= 0:
            self._state = "head"
        else:
            kept = next((size for size in range(len(opening), 0, -1) if self._held.endswith(opening[:size])), 0)
            found = len(self._held) - kept
        words = self._held[:found].rstrip()
        self._held = self._held[len(words) :]
        if words:
            yield CallPiece("content", words)

    def _in_head(self) -> Iterator[CallPiece]:
        found = self._form.head.match(self._held.lstrip())
        if found:
            yield from self._begin(found)
        elif len(self._held) > len(self._form.first + self._form.between) + _MOST_ADDED:
            self._state = "plain"

    def _after(self) -> Iterator[CallPiece]:
        found = self._form.next_head and self._form.next_head.match(self._held.lstrip())
        if found:
            yield from self._begin(found)

    def _begin(self, found: re.Match[str]) -> Iterator[CallPiece]:
        self._held = found.string[found.end() :]
        self._state, self._json = "arguments", _JsonEnd()
        yield CallPiece("name", found[1])

    def _in_arguments(self) -> Iterator[CallPiece]:
        self._held = self._held if self._json.begun else self._held.lstrip()
        end = self._json.find(self._held)
        text, self._held = self._held[:end], self._held[end:] if end is not None else ""
        if end is not None:
            self._state = "after"
        if text:
            yield CallPiece("arguments", text)

    def _plain(self) -> Iterator[CallPiece]:
        text, self._held = self._held, ""
        yield CallPiece("content", text)


_STEPS = {
    "start": CallReader._at_start,
    "text": CallReader._in_text,
    "head": CallReader._in_head,
    "arguments": CallReader._in_arguments,
    "after": CallReader._after,
    "plain": CallReader._plain,
}


class _JsonEnd:
    """Finds where a JSON object or array ends that comes in pieces."""

    def __init__(self) -> None:
        self.begun = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def find(self, text: str) -> int | None:
        """The position in the next piece `text` behind the end, or None when the end is not in it."""
        for position, character in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = character == "\\"
                self._quoted = character != '"'
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self.begun = True
                self._depth += 1
            elif character in "]}":
                self._depth -= 1
                if self._depth == 0:
                    return position + 1
        return None
