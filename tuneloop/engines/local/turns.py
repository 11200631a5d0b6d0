"""One answer of a chat as it comes: pieces of text in, OpenAI's deltas out."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tuneloop.engines.local.generation import Piece
from tuneloop.engines.local.logprobs import Entry, entry
from tuneloop.engines.local.thoughts import ThoughtReader, Thoughts
from tuneloop.tool_calls import CallFormat, CallPiece, CallReader
from tuneloop.types import Json

_CHARACTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """An id as OpenAI's look: "call_8pPzEzYBYzfNLMtKNwMjFZ2h"."""
    return prefix + "".join(secrets.choice(_CHARACTERS) for _ in range(24))


class Delta(NamedTuple):
    """What a chunk says of one answer."""

    choice: int
    delta: dict[str, Any]
    logprobs: list[Entry]
    finish_reason: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How answers are read."""

    #: whether the model thinks
    thoughts: Thoughts
    #: how it writes calls, None where it may make none
    calls: CallFormat | None
    #: whether calls are told with the older field `function_call`
    legacy: bool = False
    #: how many of the likeliest tokens are told, None for no log probabilities
    top: int | None = None
    #: names of tokens that are no text
    special: Mapping[int, str] = field(default_factory=dict)


class Turn:
    """Reads one answer. What it says of it comes in order: role, words or calls, the reason why it ended.

    A call after the first is told when it is complete. One that was made before is not told, and ends the answer:
    small models that have to call something would do it for ever.
    """

    def __init__(self, choice: int, reading: Reading) -> None:
        self._choice = choice
        self._reading = reading
        self._thoughts = ThoughtReader(reading.thoughts)
        self._calls = CallReader(reading.calls) if reading.calls is not None else None
        self._entries: list[Entry] = []
        self._begun = False
        #: name and arguments of each call so far
        self._called: list[tuple[str, str]] = []
        #: whether nothing more is to be read
        self.over = False
        #: tokens spent on thoughts
        self.thinking = 0

    def feed(self, piece: Piece) -> Iterator[Delta]:
        """What a piece adds."""
        if self.over:
            return
        if piece.token is not None and self._reading.top is not None:
            self._entries.append(entry(piece.token, self._reading.top, self._reading.special))
        for words in self._thoughts.feed(piece.text):
            yield from self._words(words.thought, words.text)

    def close(self, reason: str) -> Iterator[Delta]:
        """What is left to be said when the answer has ended, for the reason "stop" or "length"."""
        for words in self._thoughts.close():
            yield from self._words(words.thought, words.text)
        for part in self._calls.close() if self._calls is not None else ():
            yield from self._part(part)
        if self._calls is not None and self._called:
            if self._calls.complete:
                yield from self._call_ended()
            if self._calls.complete or self.over or len(self._called) > 1:  # what is not told need not be complete
                reason = "function_call" if self._reading.legacy else "tool_calls"
        if not self._begun:
            yield self._begin(None)
        yield Delta(self._choice, {}, [], reason)

    def _words(self, thought: bool, text: str) -> Iterator[Delta]:
        if thought:
            self.thinking += 1
            self._entries.clear()
            yield from self._said({"reasoning_content": text})
        elif self._calls is None:
            yield from self._said({"content": text})
        else:
            for part in self._calls.feed(text):
                if not self.over:
                    yield from self._part(part)

    def _part(self, part: CallPiece) -> Iterator[Delta]:
        if part.kind == "content":
            yield from self._said({"content": part.text})
        elif part.kind == "name":
            yield from self._call_ended()
            if not self.over:
                self._called.append((part.text, ""))
                if len(self._called) == 1:
                    yield from self._call({"name": part.text, "arguments": ""}, begins=True)
        else:
            name, arguments = self._called.pop()
            self._called.append((name, arguments + part.text))
            if len(self._called) == 1:
                yield from self._call({"arguments": part.text})

    def _call_ended(self) -> Iterator[Delta]:
        """Tell a call that is complete now, and was not told while it came."""
        if len(self._called) > 1 and not self.over:
            name, arguments = self._called[-1]
            if (name, arguments) in self._called[:-1]:
                self._called.pop()
                self.over = True
            else:
                yield from self._call({"name": name, "arguments": ""}, begins=True)
                yield from self._call({"arguments": arguments})

    def _call(self, function: dict[str, str], *, begins: bool = False) -> Iterator[Delta]:
        if self._reading.legacy:
            yield from self._said({"function_call": function})
            return
        call: dict[str, Any] = {"index": len(self._called) - 1}
        if begins:
            call |= {"id": new_id("call_"), "type": "function"}
        yield from self._said({"tool_calls": [{**call, "function": function}]})

    def _said(self, delta: dict[str, Any]) -> Iterator[Delta]:
        if not self._begun:
            yield self._begin(delta)
        entries, self._entries = self._entries, []
        yield Delta(self._choice, delta, entries if "content" in delta else [])

    def _begin(self, first: Mapping[str, Json] | None) -> Delta:
        self._begun = True
        calls = first is not None and ("tool_calls" in first or "function_call" in first)
        return Delta(self._choice, {"role": "assistant", "content": None if calls else "", "refusal": None}, [])
