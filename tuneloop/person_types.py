"""The nouns of the web page's door, as `types` has the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: what somebody may do: look; score and correct answers, too; everything
Role = Literal["viewer", "reviewer", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "reviewer", "owner")


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who may sign in to the web page, by a link."""

    id: str
    created_at: float
    name: str
    role: Role
    #: SHA-256 of the secret in the link
    sha256: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A browser that is signed in."""

    #: SHA-256 of what its cookie says
    id: str
    created_at: float
    #: None of whoever has the server's own secret, or an API key
    person_id: str | None
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this browser may do what somebody of that role may."""
        return ROLES.index(self.role) >= ROLES.index(role)
