"""JSON that is mended: what is left of an answer when the text around its JSON, and slips in writing it, are gone."""

from __future__ import annotations

import re
from collections.abc import Callable

import orjson

from tuneloop.types import Json

#: an object or a list in a text, from its first bracket to its last
_INSIDE = re.compile(r"\{.*\}|\[.*\]", re.DOTALL)


def mended(text: str, accepts: Callable[[Json], bool] = lambda value: True) -> str | None:
    """The JSON that an answer was meant to be, if one is found that `accepts` takes; an empty one is none."""
    import json_repair

    if (match := _INSIDE.search(text)) is None:
        return None
    try:
        value = json_repair.loads(match.group())
    except (ValueError, RecursionError):  # texts that are far from JSON
        return None
    if not isinstance(value, dict | list) or not value or not accepts(value):
        return None
    return orjson.dumps(value).decode()
