"""Where a text differs from the right one, word by word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

#: words of a text; longer ones are shown without marks, since comparing takes the square of that
_WORDS = 400
#: texts that have less in common are different as a whole
_ALIKE = 0.5

_PIECES = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A part of a text: the same in both, only in this one ("added"), or only in the right one ("missing")."""

    kind: Literal["same", "added", "missing"]
    text: str


def pieces(text: str, reference: str) -> Iterator[Piece]:
    """The text in pieces, with what it lacks of the reference in between; in one piece where little is the same."""
    ours, theirs = _PIECES.findall(text), _PIECES.findall(reference)
    if max(len(ours), len(theirs)) > _WORDS or text == reference:
        yield Piece("same", text)
        return
    matcher = SequenceMatcher(None, theirs, ours, autojunk=False)
    if matcher.ratio() < _ALIKE:
        yield Piece("same", text)
        return
    for kind, low, high, start, end in matcher.get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(ours[start:end]))
            continue
        if high > low:
            yield Piece("missing", "".join(theirs[low:high]))
        if end > start:
            yield Piece("added", "".join(ours[start:end]))
