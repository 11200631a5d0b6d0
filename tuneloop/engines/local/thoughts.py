"""The thoughts of models that think before they answer: <think> ... </think>, told apart from the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

#: whether a prompt has begun the model's thoughts, or answers may begin with <think>
Thoughts = Literal["open", "possible", "none"]

BEGIN = "<think>"
END = "</think>"


class Words(NamedTuple):
    """Some of the thoughts, or of the answer."""

    thought: bool
    text: str


class ThoughtReader:
    """Reads what a model says bit by bit. The white space around the thoughts belongs to nothing."""

    def __init__(self, thoughts: Thoughts) -> None:
        self._held = ""
        self._state: Literal["start", "thought", "gap", "answer"] = (
            "answer" if thoughts == "none" else "thought" if thoughts == "open" else "start"
        )

    def feed(self, text: str) -> Iterator[Words]:
        """What is known with `text`, and was not before."""
        self._held += text
        if self._state == "start":
            self._begin()
        if self._state == "thought":
            yield from self._think()
        if self._state == "gap":
            self._held = self._held.lstrip()
            if self._held:
                self._state = "answer"
        if self._state == "answer" and self._held:
            yield Words(False, self._held)
            self._held = ""

    def close(self) -> Iterator[Words]:
        """What was held back, at the end."""
        if self._held.strip():
            yield Words(self._state == "thought", self._held)
        self._held = ""

    def _begin(self) -> None:
        said = self._held.lstrip()
        if said.startswith(BEGIN):
            self._state, self._held = "thought", said[len(BEGIN) :]
        elif not BEGIN.startswith(said):
            self._state = "answer"

    def _think(self) -> Iterator[Words]:
        found = self._held.find(END)
        if found >= 0:
            thought, self._held, self._state = self._held[:found].rstrip(), self._held[found + len(END) :], "gap"
        else:
            kept = next((size for size in range(len(END), 0, -1) if self._held.endswith(END[:size])), 0)
            thought = self._held[: len(self._held) - kept].rstrip()
            self._held = self._held[len(thought) :]
        if thought:
            yield Words(True, thought)
