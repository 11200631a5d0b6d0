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
    #: the id of the API key of whoever came with one; None of whoever has the server's own secret
    person_id: str | None
    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether this browser may do what somebody of that role may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKey:
    """What is known of an API key. The key itself is shown when it is made, and kept nowhere."""

    id: str
    created_at: float
    name: str
    #: its first and last letters, to tell it from others
    hint: str
    #: when a call last came with it, to the minute; None where none has since this is noted
    used_at: float | None = None
