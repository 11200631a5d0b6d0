"""Fields that several of OpenAI's requests have, read from a body with OpenAI's words and codes for what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tuneloop.errors import InvalidInput
from tuneloop.types import Json

#: how long a file may be told to live: 1 hour to 30 days
EXPIRY_SECONDS = (3600, 2592000)
#: most keys of `metadata`, characters of a key, characters of a value
METADATA = (16, 64, 512)

_KINDS = {
    str: "a string",
    int: "an integer",
    list: "an array",
    dict: "an object",
    bool: "a boolean",
    float: "a decimal",
}


def required(request: Mapping[str, Json], name: str) -> Json:
    """A field that must be there. Raises InvalidInput."""
    value = request.get(name)
    if value is None:
        raise InvalidInput(f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
    return value


def text(request: Mapping[str, Json], name: str) -> str:
    """A required text that is not empty. Raises InvalidInput."""
    value = typed(required(request, name), str, name)
    if not value:
        raise InvalidInput(f"Invalid '{name}': empty string.", param=name, code="empty_string")
    return str(value)


def whole(request: Mapping[str, Json], name: str, low: int, high: int) -> int:
    """A required whole number within bounds. Raises InvalidInput."""
    value = int(typed(required(request, name), int, name))
    if value < low:
        least = f"Expected a value >= {low}, but got {value} instead."
        message, code = f"Invalid '{name}': integer below minimum value. {least}", "integer_below_min_value"
        raise InvalidInput(message, param=name, code=code)
    if value > high:
        most = f"Expected a value <= {high}, but got {value} instead."
        message, code = f"Invalid '{name}': integer above maximum value. {most}", "integer_above_max_value"
        raise InvalidInput(message, param=name, code=code)
    return value


def one_of(request: Mapping[str, Json], name: str, among: Collection[str]) -> str:
    """A required text out of some. Raises InvalidInput."""
    value = text(request, name)
    if value not in among:
        supported = ", ".join(map(repr, among))
        message = f"Invalid value: {value!r}. Supported values are: {supported}."
        raise InvalidInput(message, param=name, code="invalid_value")
    return value


def typed(value: Json, kind: type, name: str) -> Any:
    """A value of JSON's type `kind`; true and false are no numbers. Raises InvalidInput."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        got = "null" if value is None else _KINDS[type(value)]
        message = f"Invalid type for '{name}': expected {_KINDS[kind]}, but got {got} instead."
        raise InvalidInput(message, param=name, code="invalid_type")
    return value


def expires_after(value: Json, name: str = "expires_after") -> int | None:
    """The seconds of {"anchor": "created_at", "seconds"}; None where there is no such field. Raises InvalidInput."""
    if value is None:
        return None
    given = {f"{name}.{key}": inner for key, inner in typed(value, dict, name).items()}
    one_of(given, f"{name}.anchor", ("created_at",))
    return whole(given, f"{name}.seconds", *EXPIRY_SECONDS)


def metadata(value: Json) -> dict[str, str] | None:
    """OpenAI's `metadata`; None where there is no such field. Raises InvalidInput."""
    if value is None:
        return None
    most, longest_key, longest_value = METADATA
    pairs: dict[str, Json] = typed(value, dict, "metadata")
    if len(pairs) > most:
        message = f"Invalid 'metadata': too many properties. Expected at most {most}, but got {len(pairs)} instead."
        raise InvalidInput(message, param="metadata", code="object_above_max_properties")
    for key, inner in pairs.items():
        if not isinstance(inner, str):
            got = "null" if inner is None else _KINDS[type(inner)]
            message = f"Invalid type for 'metadata.{key}': expected a string, but got {got} instead."
            raise InvalidInput(message, param="metadata", code="invalid_type")
        if len(key) > longest_key or len(inner) > longest_value:
            message = f"Invalid 'metadata': keys have at most {longest_key} characters, values {longest_value}."
            raise InvalidInput(message, param="metadata", code="string_above_max_length")
    return dict(pairs)
