"""Queries compared as text, spelling aside; the grader `sql` runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEGINNING = re.compile(r"\s*(?:select|with|insert|update|delete)\b", re.IGNORECASE)
#: texts and quoted names stay as they are; everything else is a word, a number or a sign
_PIECES = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|\w+(?:\.\w+)*|[<>!=]=|<>|\|\||\S")


@dataclass(frozen=True, slots=True)
class SqlMatch:
    """1 when two queries are the same: case outside of quotes, white space and the semicolon at the end aside.

    A query that says the same in another way is wrong here; the grader `sql` compares what queries give.
    """

    name: str = "sql_match"
    binary: bool = True

    def grade(self, answer: str, reference: str) -> float:
        """0 or 1."""
        return float(_pieces(answer) == _pieces(reference))


def is_query(text: str) -> bool:
    """Whether a text begins like a query."""
    return _BEGINNING.match(text) is not None


def _pieces(query: str) -> list[str]:
    found = [piece if piece[0] in "'\"`[" else piece.lower() for piece in _PIECES.findall(query)]
    while found and found[-1] == ";":
        found.pop()
    return found
