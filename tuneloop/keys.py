"""API keys: made, listed, taken back. What is kept of a key is its hash."""

from __future__ import annotations

import secrets

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.person_types import ApiKey
from tuneloop.store import Store
from tuneloop.store.database import clean
from tuneloop.store.keys import digest, hint, key_id

_LONGEST_NAME = 80
#: the id of the key that the environment sets
PRESET = "key_preset"


def create(store: Store, name: str) -> tuple[ApiKey, str]:
    """Make a key, which is good from now on, and returned to be shown once. Raises InvalidInput."""
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidInput(f"a name is 1 to {_LONGEST_NAME} characters, not {name!r}", param="name")
    secret = f"tl-{secrets.token_urlsafe(24)}"
    store.keys.add(secret, name.strip())
    store.deployments.touch()
    made = next(key for key in store.keys.all() if key.id == key_id(digest(secret)))
    return made, secret


def listed(store: Store, preset: str | None) -> list[ApiKey]:
    """Every key, oldest first; before them the one that the environment sets, if it does."""
    first = ApiKey(id=PRESET, created_at=0.0, name="TUNELOOP_API_KEY", hint=hint(preset)) if preset else None
    return [*([first] if first else []), *store.keys.all()]


def delete(store: Store, item_id: str) -> None:
    """Take a key back; browsers that signed in with it are signed out. Raises NotFound and InvalidInput."""
    if item_id == PRESET:
        raise InvalidInput("This key is set by TUNELOOP_API_KEY: change that and start again.", param="id")
    if not store.keys.remove(clean(item_id)):
        raise NotFound(f"no API key {item_id!r}", param="id")
    store.deployments.touch()
