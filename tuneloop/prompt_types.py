"""The noun Prompt, as `types` has the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tuneloop.types import Json, Message, Tool


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What a Prompt says, before it is saved as a version."""

    name: str
    #: as chat has them; {{variables}} stand in their texts
    messages: Sequence[Message]
    #: what answers where the call names no model
    model: str | None = None
    #: fields of the request where the call has none: temperature, max_tokens, ...
    parameters: Mapping[str, Json] = field(default_factory=dict)
    tools: Sequence[Tool] = ()
    response_format: Mapping[str, Json] | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Prompt(Draft):
    """A named, versioned template of messages with variables and model parameters. A version never changes."""

    id: str
    #: counted from 1; a number is never given twice, even when versions have been deleted
    version: int
    created_at: float

    @property
    def reference(self) -> str:
        """What names this version: "support@2"."""
        return f"{self.name}@{self.version}"
