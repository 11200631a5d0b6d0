"""The objects in a request, read with OpenAI's rules and refused in OpenAI's words: null is as good as nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tuneloop import fields
from tuneloop.errors import InvalidInput
from tuneloop.types import Json


class Fields:
    """Reads one object. Every method raises InvalidInput whose `param` is the whole name of the field."""

    def __init__(self, value: Mapping[str, Json], path: str = "") -> None:
        self._value = value
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._value)

    def raw(self, name: str) -> Json:
        """A field as it came, None when there is none."""
        return self._value.get(name)

    def name(self, name: str) -> str:
        """The whole name of a field: "messages[0].role"."""
        return f"{self._path}.{name}" if self._path else name

    def number(self, name: str, least: float, most: float) -> float | None:
        """A number from `least` to `most`."""
        value = self.raw(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            fields.typed(value, float, self.name(name))
        if not least <= value <= most:
            side, sign, limit = ("below minimum", ">=", least) if value < least else ("above maximum", "<=", most)
            raise self.error(
                name,
                f"Invalid '{self.name(name)}': decimal {side} value. Expected a value {sign} {limit:g}, but got "
                f"{value} instead.",
                "decimal_below_min_value" if value < least else "decimal_above_max_value",
            )
        return float(value)

    def integer(self, name: str, least: int, most: int = 2**63 - 1) -> int | None:
        """A whole number from `least` to `most`."""
        whole = self.name(name)
        return fields.whole({whole: self.raw(name)}, whole, least, most) if name in self else None

    def boolean(self, name: str) -> bool | None:
        """True or false."""
        value: bool | None = self._typed(name, bool)
        return value

    def text(self, name: str) -> str | None:
        """A string."""
        value: str | None = self._typed(name, str)
        return value

    def object(self, name: str) -> Fields | None:
        """An object, to be read further."""
        value = self.mapping(name)
        return None if value is None else Fields(value, self.name(name))

    def mapping(self, name: str) -> dict[str, Json] | None:
        """An object as it is."""
        value: dict[str, Json] | None = self._typed(name, dict)
        return value

    def array(self, name: str) -> list[Json] | None:
        """An array as it is."""
        value: list[Json] | None = self._typed(name, list)
        return value

    def objects(self, name: str) -> list[Fields]:
        """An array of objects, to be read further; empty when there is none."""
        found = []
        for index, item in enumerate(self.array(name) or ()):
            whole = f"{self.name(name)}[{index}]"
            found.append(Fields(fields.typed(item, dict, whole), whole))
        return found

    def choice(self, name: str, allowed: Collection[str]) -> str | None:
        """One of the strings in `allowed`."""
        whole = self.name(name)
        return fields.one_of({whole: self.raw(name)}, whole, allowed) if name in self else None

    def missing(self, name: str) -> InvalidInput:
        """That a field has to be there."""
        message = f"Missing required parameter: '{self.name(name)}'."
        return self.error(name, message, "missing_required_parameter")

    def error(self, name: str, message: str, code: str | None = None) -> InvalidInput:
        """Anything else that is wrong with a field."""
        return InvalidInput(message, param=self.name(name), code=code)

    def _typed(self, name: str, kind: type) -> Any:
        return fields.typed(self.raw(name), kind, self.name(name)) if name in self else None
