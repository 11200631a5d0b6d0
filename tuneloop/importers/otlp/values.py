"""Attributes of spans, read without trust: anything may be missing, or be of another type than it should be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tuneloop.types import Json

Attributes = Mapping[str, Json]

#: levels beyond which JSON within a text is left a text: its writer gives up at 254
_MOST_LEVELS = 100
_BRACKET = re.compile(r"[\[\]{}]")
#: how deep dotted names are taken apart: no convention goes beyond nine
_DEEPEST = 15


def first(values: Attributes, *names: str) -> Json:
    """The value under the first of these names that has one; None where none has."""
    for name in names:
        value = values.get(name)
        if value is not None and value != "":
            return value
    return None


def text(values: Attributes, *names: str) -> str | None:
    """The first text under these names; a number counts as text."""
    for name in names:
        value = values.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def number(values: Attributes, *names: str) -> float | None:
    """The first number under these names; a text that is one counts as well."""
    for name in names:
        value = values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            found = float(value)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(found):
            return found
    return None


def count(values: Attributes, *names: str) -> int | None:
    """The first number of tokens, or the like, under these names."""
    found = number(values, *names)
    return int(found) if found is not None and 0 <= found < 2**31 else None


def parsed(value: Json) -> Json:
    """What a text that holds a JSON object or list stands for; everything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and _levels(value) <= _MOST_LEVELS:
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _levels(text: str) -> int:
    """At least how many levels deep a text in JSON is; brackets within its texts count as well."""
    if text.count("[") + text.count("{") <= _MOST_LEVELS:
        return 0
    level = deepest = 0
    for bracket in _BRACKET.finditer(text):
        level += 1 if bracket.group() in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def mapping(value: Json) -> dict[str, Any]:
    """An object, also one written as text; else an empty one."""
    value = parsed(value)
    return value if isinstance(value, dict) else {}


def sequence(value: Json) -> list[Any]:
    """A list, also one written as text; else an empty one."""
    value = parsed(value)
    return value if isinstance(value, list) else []


def as_text(value: Json) -> str:
    """A text as it is, everything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def below(values: Attributes, prefix: str) -> Iterator[tuple[str, Json]]:
    """The attributes whose names begin with `prefix` and a dot, without it."""
    start = f"{prefix}."
    return ((name[len(start) :], value) for name, value in values.items() if name.startswith(start))


def nested(values: Attributes, prefix: str) -> Json:
    """The tree that dotted names spell: {"p.0.role": "user"} under "p" is [{"role": "user"}]; None where none is."""
    tree: dict[str, Any] = {}
    for name, value in below(values, prefix):
        *path, last = name.split(".", _DEEPEST)
        node = tree
        for part in path:
            child = node.get(part)
            if not isinstance(child, dict):
                child = node[part] = {}
            node = child
        node.setdefault(last, value)
    return _listed(tree) if tree else None


def _listed(node: Json) -> Json:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=lambda key: (len(key), key))]
    return {key: _listed(value) for key, value in node.items()}
