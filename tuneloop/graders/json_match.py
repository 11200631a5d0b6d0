"""JSON answers: parsed equality, and the share of fields that are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

#: A Markdown fence around the whole answer is taken off: every application does, so it must not decide a comparison.
_FENCE = re.compile(r"\A```[a-zA-Z]*\s*\n(.*?)\n?\s*```\Z", re.DOTALL)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class JsonMatch:
    """1 when answer and reference parse to the same JSON: order of keys and white space aside, 1 and 1.0 alike."""

    name: str = "json_match"
    binary: bool = True

    def grade(self, answer: str, reference: str) -> float:
        """0 or 1; an answer that does not parse is wrong. Raises ValueError when the reference does not parse."""
        wanted = parse(reference)
        try:
            got = parse(answer)
        except ValueError:
            return 0.0
        return float(leaves(got) == leaves(wanted))


@dataclass(frozen=True, slots=True)
class JsonFields:
    """The share of right fields: leaves equal in both, over leaves in either, so that invented fields count against."""

    name: str = "json_fields"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; an answer that does not parse has 0. Raises ValueError when the reference does not parse."""
        wanted = leaves(parse(reference))
        try:
            got = leaves(parse(answer))
        except ValueError:
            return 0.0
        equal = sum(path in wanted and wanted[path] == value for path, value in got.items())
        return equal / len(wanted.keys() | got.keys())


def parse(text: str) -> Any:
    """The JSON in `text`, with or without a Markdown fence around it. Raises ValueError."""
    return orjson.loads(unfenced(text))


def unfenced(text: str) -> str:
    """The text without white space at both ends and a Markdown fence around it."""
    text = text.strip()
    fenced = _FENCE.match(text)
    return fenced[1] if fenced else text


def is_structured(text: str) -> bool:
    """Whether `text` is a JSON object or array; a lone number or word is no structure."""
    try:
        return isinstance(parse(text), dict | list)
    except ValueError:
        return False


def leaves(value: Any) -> dict[Path, tuple[str, Any]]:
    """Every leaf under its path, with its JSON type: to Python, True equals 1."""
    return dict(_walk(value))


def field_name(path: Path) -> str:
    """A path as people write it: slots.city, tags[0]; the whole value is $."""
    written = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return written.removeprefix(".") or "$"


def _walk(root: Any) -> Iterator[tuple[Path, tuple[str, Any]]]:
    stack: list[tuple[Path, Any]] = [((), root)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict) and value:
            stack += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list) and value:
            stack += [((*path, index), item) for index, item in enumerate(value)]
        else:
            kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
            yield path, (kind, value if isinstance(value, bool | int | float | str) else None)
