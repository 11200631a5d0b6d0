"""Which keys of a row a grader's templates read, so that a file can be checked before anything is graded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tuneloop.graders.grading import GradingFailed
from tuneloop.graders.templates import look_up
from tuneloop.types import Json

_OF_ITEM = re.compile(r"\{\{\s*(item\b.*?)\s*\}\}", re.DOTALL)


def missing(grader: Mapping[str, Json], item: Mapping[str, Json]) -> str | None:
    """The first variable of `item` in a grader's JSON that a row does not have, None when it has all of them."""
    for path in dict.fromkeys(_paths(grader)):
        try:
            look_up(path, item, {})
        except GradingFailed:
            return path
    return None


def _paths(part: Json) -> Iterator[str]:
    if isinstance(part, str):
        yield from _OF_ITEM.findall(part)
    elif isinstance(part, list):
        for inner in part:
            yield from _paths(inner)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name != "source":  # Python reads what it likes
                yield from _paths(inner)
