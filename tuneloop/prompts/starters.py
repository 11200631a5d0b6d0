"""The library: good prompts to start from, each long (the whole instruction) and short (what is enough when the model
has been tuned on the long one's answers). They are files of the package, in tuneloop/starters."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from tuneloop.errors import NotFound
from tuneloop.prompt_types import Draft
from tuneloop.prompts.drafts import read
from tuneloop.prompts.rendering import fix
from tuneloop.types import Json

_SUFFIX = ".toml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Starter:
    """One of the library's prompts."""

    name: str
    title: str
    #: what makes it work, and how to grade it
    advice: str
    #: of the variables, what each stands for
    variables: Mapping[str, str]
    #: the instructions, and what the user says
    long: str
    short: str
    user: str = "{{input}}"
    parameters: Mapping[str, Json] = field(default_factory=dict)
    response_format: Mapping[str, Json] | None = None


def names() -> list[str]:
    """What there is, in alphabetical order."""
    return sorted(one.name.removesuffix(_SUFFIX) for one in _folder().iterdir() if one.name.endswith(_SUFFIX))


def load(name: str) -> Starter:
    """A starter by its name. Raises NotFound."""
    if name not in names():
        raise NotFound(f"no starter {name!r}; there are {', '.join(names())}", param="name")
    found: dict[str, Any] = tomllib.loads((_folder() / f"{name}{_SUFFIX}").read_text(encoding="utf-8"))
    return Starter(name=name, **found)


def all_of_them() -> list[Starter]:
    """Every starter."""
    return [load(name) for name in names()]


def draft(starter: Starter, name: str, *, short: bool = False, values: Mapping[str, str]) -> Draft:
    """A starter as a draft, with some variables' values written into it. Raises InvalidInput for others."""
    made = read(
        {
            "name": name,
            "messages": [
                {"role": "system", "content": (starter.short if short else starter.long).strip()},
                {"role": "user", "content": starter.user},
            ],
            "parameters": starter.parameters,
            "response_format": starter.response_format,
            "note": f"starter {starter.name}{', short' if short else ''}",
        }
    )
    return fix(made, values)


def _folder() -> Traversable:
    return files("tuneloop") / "starters"
