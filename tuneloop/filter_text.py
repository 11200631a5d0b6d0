"""Filters as people put them together: conditions written down, joined, and the text that is searched for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuneloop import filters
from tuneloop.filters import Condition, Value

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/@-]*")
#: words that would be read as something else
_OTHER = {*filters.WORDS, "nan", "inf", "infinity"}


def value(given: Value) -> str:
    """A value as it stands in an expression, with quotes where it needs them."""
    if given is None:
        return "null"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, float | int):
        return str(int(given)) if given == int(given) and abs(given) < 1e15 else repr(given)
    return given if _PLAIN.fullmatch(given) and given.lower() not in _OTHER else _quoted(given)


def field(name: str, key: str | None = None) -> str:
    """A field as it stands in an expression."""
    if not key:
        return name
    return f"{name}.{key if _PLAIN.fullmatch(key) else _quoted(key)}"


def joined(conditions: Sequence[str]) -> str:
    """The expression that is true when all of these are."""
    if len(conditions) == 1:
        return conditions[0]
    return " and ".join(f"({one})" if isinstance(filters.parse(one), filters.Any) else one for one in conditions)


def with_condition(expression: str, added: str) -> str:
    """The expression with one more condition, unless it has it already."""
    have = filters.conditions(expression)
    return expression if added in have else joined([*have, added])


def without(expression: str, index: int) -> str:
    """The expression without one of its conditions."""
    have = filters.conditions(expression)
    return joined([one for i, one in enumerate(have) if i != index])


def searched(expression: str) -> str:
    """The text that all that match must have, of a condition `text ~ ...`."""
    return next((found for one in filters.conditions(expression) if (found := _words(one))), "")


def with_search(expression: str, words: str) -> str:
    """The expression with another text to be searched for; none when it is empty."""
    rest = [one for one in filters.conditions(expression) if not _words(one)]
    return joined([*rest, f"text ~ {value(words)}"] if words else rest)


def _words(condition: str) -> str:
    tree = filters.parse(condition)
    is_search = isinstance(tree, Condition) and tree.field == "text" and tree.op == "~"
    return str(tree.values[0]) if is_search and isinstance(tree, Condition) else ""


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
