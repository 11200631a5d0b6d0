"""Templates: {{item.x.y}}, {{item.tags[0]}}, {{sample.output_text}} and the like, filled in with a row and a sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields
from tuneloop.graders.grading import GradingFailed
from tuneloop.types import Json

NAMESPACES = ("item", "sample")

_VARIABLE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
#: one step of a path: .name, [0], ['name with spaces']
_STEP = re.compile(r"""\s*\.\s*([^.\[\]'"\s]+)|\[\s*(\d+)\s*\]|\[\s*'([^']*)'\s*\]|\[\s*"([^"]*)"\s*\]""")


def text(holder: Mapping[str, Json], name: str, param: str) -> str:
    """A required template in a grader's JSON. Raises InvalidInput."""
    found = fields.text(holder, name, param)
    check(found, f"{param}.{name}")
    return found


def check(template: str, param: str) -> None:
    """Raises InvalidInput for a {{...}} that can be no variable."""
    for match in _VARIABLE.finditer(template):
        try:
            split(match[1])
        except GradingFailed as error:
            raise InvalidInput(f"'{param}': {error.failure.details}", param=param) from None


def fill(template: str, item: Mapping[str, Json], sample: Mapping[str, Json]) -> str:
    """The text with every variable replaced: texts as they are, anything else as JSON. What is put in is not looked
    at again. Raises GradingFailed for a variable that is not there."""
    return _VARIABLE.sub(lambda match: _written(look_up(match[1], item, sample)), template)


def look_up(path: str, item: Mapping[str, Json], sample: Mapping[str, Json]) -> Json:
    """The value at a path such as "item.messages[0].content". Raises GradingFailed."""
    steps = split(path)
    if steps[:2] == ["sample", "output_json"] and "output_json" not in sample:
        raise GradingFailed("sample_parse_error", f"{path}: the model's answer is not JSON")
    value: Any = {"item": item, "sample": sample}
    for step in steps:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise GradingFailed("invalid_variable_error", f"there is no {path!r}") from None
    return value


def split(path: str) -> list[str]:
    """The steps of a path: "item.tags[0]" is item, tags, 0. Raises GradingFailed."""
    namespace = re.match(r"\w+", path)
    if namespace is None or namespace[0] not in NAMESPACES:
        raise GradingFailed(
            "invalid_variable_error", f"{{{{{path}}}}} is no variable; they begin with 'item.' or 'sample.'"
        )
    steps, position = [namespace[0]], namespace.end()
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise GradingFailed(
                "invalid_variable_error", f"{{{{{path}}}}} is no path such as item.name or item.tags[0]"
            )
        steps.append(next(group for group in step.groups() if group is not None))
        position = step.end()
    return steps


def _written(value: Json) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
