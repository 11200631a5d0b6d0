r"""Texts with variables: {{name}}, with or without spaces inside. Pure functions.

A name is a letter or an underscore and then letters, digits and . _ -, at most 64 characters. What is put in is not
looked at again. `\{{` stands for two braces that stay, `\\{{name}}` for a backslash before a variable; single braces,
and backslashes elsewhere, are themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

from tuneloop.errors import InvalidInput

_NAME = r"[^\W\d][\w.-]{0,63}"
#: backslashes, braces, and a variable's name where there is one
_OPENING = re.compile(rf"(?<!\\)(\\*)(\{{{{2,}})(?:\s*({_NAME})\s*\}}\}})?")
_SHOWN = 40


class Variable(NamedTuple):
    """A place in a text, by its name."""

    name: str


Piece = str | Variable


@lru_cache(256)
def parse(text: str) -> tuple[Piece, ...]:
    """Literal texts and variables, in turn. Raises InvalidInput for braces that are neither a variable nor escaped."""
    pieces: list[Piece] = []
    at = 0
    for match in _OPENING.finditer(text):
        slashes, braces, name = match.groups()
        pieces.append(text[at : match.start()] + slashes[: len(slashes) // 2])
        at = match.end()
        if len(slashes) % 2:
            pieces.append(match[0][len(slashes) :])
        elif name:  # of {{{a}}} the inner braces are the variable's
            pieces += [braces[2:], Variable(name)]
        else:
            raise InvalidInput(
                f"{text[match.start() : match.start() + _SHOWN]!r} begins like a variable and is none: write "
                "{{name}} (letters, digits and . _ -), or \\{{ for braces that are to stay"
            )
    pieces.append(text[at:])
    return tuple(_joined(pieces))


def variables(text: str) -> list[str]:
    """The names of a text's variables, in the order of their first place."""
    return list(dict.fromkeys(piece.name for piece in parse(text) if isinstance(piece, Variable)))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place of its variables, every one of which must be there."""
    return "".join(piece if isinstance(piece, str) else values[piece.name] for piece in parse(text))


def fix(text: str, values: Mapping[str, str]) -> str:
    """The template with some variables' values written into it; the others stay variables."""
    return write([values.get(piece.name, piece) if isinstance(piece, Variable) else piece for piece in parse(text)])


def write(pieces: Sequence[Piece]) -> str:
    """The template that is parsed into these pieces."""
    return "".join(
        f"{{{{{piece.name}}}}}" if isinstance(piece, Variable)
        else _before_variable(piece) if isinstance(after, Variable)
        else escape(piece)
        for piece, after in pairwise([*_joined(pieces), ""])
    )  # fmt: skip


def escape(text: str) -> str:
    """The template whose text is this one, whatever braces it has."""
    return re.sub(r"(?<!\\)(\\*)(\{{2,})", r"\1\1\\\2", text)


def matches(text: str, said: str) -> bool:
    """Whether `said` can be this template filled in (a variable that stands twice may have had two values)."""
    first, *others = _literals(parse(text))
    if not others:
        return said == first
    *middle, last = others
    if not said.startswith(first) or len(said) < len(first) + len(last) or not said.endswith(last):
        return False
    at, end = len(first), len(said) - len(last)
    for literal in middle:  # the leftmost place leaves most room for those that follow
        at = said.find(literal, at, end)
        if at < 0:
            return False
        at += len(literal)
    return True


def weight(text: str) -> int:
    """How many characters of a template are its own."""
    return sum(map(len, _literals(parse(text))))


def _before_variable(text: str) -> str:
    """A text as it is written where a variable's braces follow, which join with braces of its own."""
    ending = re.search(r"(?<!\\)(\\*)(\{*)\Z", text)
    assert ending is not None
    return escape(text[: ending.start()]) + 2 * ending[1] + ending[2]


def _literals(pieces: Sequence[Piece]) -> list[str]:
    """The texts around the variables, "" where two variables touch: one more than there are variables."""
    found = [""]
    for piece in pieces:
        if isinstance(piece, str):
            found[-1] += piece
        else:
            found.append("")
    return found


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """The same with neighbouring texts as one, and no empty ones."""
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        if not is_text:
            yield from group
        elif text := "".join(map(str, group)):
            yield text
