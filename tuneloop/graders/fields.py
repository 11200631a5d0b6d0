"""Fields of a grader's JSON, which lies somewhere in a request: read with the whole name of what is blamed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from tuneloop import fields
from tuneloop.errors import InvalidInput
from tuneloop.types import Json


def mapping(value: Json, param: str) -> Mapping[str, Any]:
    """An object. Raises InvalidInput."""
    found: Mapping[str, Any] = fields.typed(fields.required({param: value}, param), dict, param)
    return found


def text(holder: Mapping[str, Json], name: str, param: str, *, empty: bool = True) -> str:
    """A required text. Raises InvalidInput."""
    where = f"{param}.{name}"
    given = {where: holder.get(name)}
    return str(fields.typed(fields.required(given, where), str, where)) if empty else fields.text(given, where)


def choice(holder: Mapping[str, Json], name: str, param: str, among: Collection[str]) -> str:
    """A required text that is one of some. Raises InvalidInput."""
    where = f"{param}.{name}"
    return fields.one_of({where: holder.get(name)}, where, among)


def array(holder: Mapping[str, Json], name: str, param: str) -> list[Any]:
    """A required array that is not empty. Raises InvalidInput."""
    where = f"{param}.{name}"
    found: list[Any] = fields.typed(fields.required({where: holder.get(name)}, where), list, where)
    if not found:
        raise InvalidInput(f"Invalid '{where}': empty array.", param=where, code="empty_array")
    return found


def texts(holder: Mapping[str, Json], name: str, param: str) -> list[str]:
    """A required array of texts, none of them empty. Raises InvalidInput."""
    found = array(holder, name, param)
    if not all(isinstance(one, str) and one for one in found):
        raise InvalidInput(f"'{param}.{name}' must be texts", param=f"{param}.{name}")
    return found


def truth(value: Json, param: str) -> bool:
    """True or false; false when it is not given. Raises InvalidInput."""
    return bool(fields.typed(False if value is None else value, bool, param))


def number(value: Json, param: str, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`. Raises InvalidInput."""
    given = fields.required({param: value}, param)
    number = (
        float(given) if isinstance(given, int) and not isinstance(given, bool) else fields.typed(given, float, param)
    )
    if not (math.isfinite(number) and low <= number <= high):
        message = f"Invalid '{param}': expected a number from {low:g} to {high:g}, but got {given!r} instead."
        raise InvalidInput(message, param=param, code="invalid_value")
    return float(number)


def whole(value: Json, param: str, low: int = -(2**63), high: int = 2**63 - 1) -> int:
    """A whole number from `low` to `high`. Raises InvalidInput."""
    return fields.whole({param: value}, param, low, high)
