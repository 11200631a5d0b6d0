"""Which variables a grader's templates read: to check a file before anything is graded, and to know its content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from tuneloop.graders.grading import GradingFailed
from tuneloop.graders.templates import look_up, split
from tuneloop.types import Json

_VARIABLE = re.compile(r"\{\{\s*((?:item|sample)\b.*?)\s*\}\}", re.DOTALL)


def missing(grader: Mapping[str, Json], item: Mapping[str, Json]) -> str | None:
    """The first variable of `item` in a grader's JSON that a row does not have, None when it has all of them."""
    for path in paths(grader):
        try:
            if path.startswith("item"):
                look_up(path, item, {})
        except GradingFailed:
            return path
    return None


def fields_read(grader: Mapping[str, Json]) -> list[str]:
    """The fields of `item` that the templates in a grader's JSON read, outermost names only."""
    steps = [split(path) for path in paths(grader)]
    return list(dict.fromkeys(path[1] for path in steps if path[0] == "item" and len(path) > 1))


def paths(grader: Mapping[str, Json]) -> list[str]:
    """Every variable in a grader's JSON, once; what its Python reads is not known."""
    return list(dict.fromkeys(_paths(grader)))


def _paths(part: Json) -> Iterator[str]:
    if isinstance(part, str):
        yield from _VARIABLE.findall(part)
    elif isinstance(part, list):
        for inner in part:
            yield from _paths(inner)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name != "source":  # Python reads what it likes
                yield from _paths(inner)
