"""What a judge may say, a model or a person: labels of which some pass, or a number within a range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields
from tuneloop.types import Json


def passing_labels(grader: Mapping[str, Json], labels: Sequence[str], param: str) -> list[str]:
    """Those of the labels that pass. Raises InvalidInput."""
    passing = fields.texts(grader, "passing_labels", param)
    if strange := [label for label in passing if label not in labels]:
        where = f"{param}.passing_labels"
        raise InvalidInput(f"'{where}': {strange[0]!r} is none of the labels {labels}", param=where)
    return passing


def number_range(value: Json, param: str) -> tuple[float, float]:
    """The lowest and the highest score; 0 and 1 where nothing is said. Raises InvalidInput."""
    if value is None:
        return 0.0, 1.0
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidInput(f"'{param}' must be two numbers, the lowest and the highest score", param=param)
    low, high = (fields.number(end, param) for end in value)
    if low >= high or not math.isfinite(high - low):
        raise InvalidInput(f"'{param}' must begin with the lower number", param=param)
    return low, high
