"""Who may use the web page: people with a link each, and the browsers that are signed in.

Only hashes of what lets somebody in are kept. A browser stays signed in for 30 days.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from tuneloop.errors import InvalidInput, NotFound, Unauthorized
from tuneloop.person_types import ROLES, Person, Role, Session
from tuneloop.store import Store
from tuneloop.store.database import clean
from tuneloop.store.ids import new_id
from tuneloop.store.keys import digest, key_id

#: seconds that a browser stays signed in
LASTS = 30 * 86_400.0
_LONGEST_NAME = 80


def invite(store: Store, name: str, role: str) -> tuple[Person, str]:
    """Let somebody sign in, by a secret that is returned to be shown once. Raises InvalidInput."""
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInput(f"a name is 1 to {_LONGEST_NAME} characters, not {name!r}", param="name")
    secret = secrets.token_urlsafe(24)
    person = Person(
        id=new_id("person_"),
        created_at=time.time(),
        name=clean(name.strip()),
        role=as_role(role),
        sha256=digest(secret),
    )
    store.people.add(person)
    return person, secret


def change(store: Store, person_id: str, role: str) -> Person:
    """Give somebody another role, at once wherever they are signed in. Raises NotFound and InvalidInput."""
    found = store.people.get(clean(person_id), param="id")
    store.people.set_role(found.id, as_role(role))
    return store.people.get(found.id, param="id")


def remove(store: Store, person_id: str) -> None:
    """Let somebody in no longer; they are signed out everywhere. Raises NotFound."""
    if not store.people.remove(clean(person_id)):
        raise NotFound(f"no person {person_id!r}", param="id")


def signed_in(store: Store) -> list[Session]:
    """The browsers that are signed in, the latest first."""
    return [one for one in store.people.sessions.all() if one.created_at > time.time() - LASTS]


def as_role(text: str) -> Role:
    """The role of this name. Raises InvalidInput."""
    for role in ROLES:
        if role == text:
            return role
    raise InvalidInput(f"a role is one of {', '.join(ROLES)}, not {text!r}", param="role")


def sign_in(store: Store, secret: str, opens: Callable[[str], bool]) -> str:
    """Let a browser in that has a secret: that of a person's link, or one that `opens` everything (the server's own,
    an API key). Returns what its cookie is to say. Raises Unauthorized."""
    person = store.people.with_secret(digest(secret))
    if person is None and not opens(secret):
        raise Unauthorized("This is no key or link of this server, or it has been taken back.")
    key = next((key for key in store.keys.all() if key.id == key_id(digest(secret))), None)
    cookie = secrets.token_urlsafe(32)
    store.people.sessions.sweep(time.time() - LASTS)
    store.people.sessions.add(
        Session(
            id=digest(cookie),
            created_at=time.time(),
            person_id=person.id if person else key.id if key else None,
            name=person.name if person else "owner",
            role=person.role if person else "owner",
        )
    )
    return cookie


def session(store: Store, cookie: str) -> Session | None:
    """The browser whose cookie says this, if it is signed in."""
    found = store.people.sessions.find(digest(cookie))
    return found if found is not None and found.created_at > time.time() - LASTS else None


def sign_out(store: Store, cookie: str) -> None:
    """Let a browser out."""
    store.people.sessions.remove(digest(cookie))


def link(url: str, secret: str) -> str:
    """What somebody opens to sign in; `url` is where the server answers ("http://127.0.0.1:8421/v1")."""
    return f"{url.removesuffix('/v1')}/?token={secret}"
