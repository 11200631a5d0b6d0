"""Queries over API keys. Only hashes are kept."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping

from sqlalchemy import delete, or_, select, update

from tuneloop.person_types import ApiKey
from tuneloop.store.database import Database, clean
from tuneloop.store.people import sessions
from tuneloop.store.schema import api_keys


class KeyTable:
    """The API keys of one database. When each was used is noted in memory, and written by `keep_uses`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._uses: dict[str, float] = {}

    def add(self, key: str, name: str) -> None:
        """Allow a key from now on."""
        row = {"sha256": digest(key), "created_at": time.time(), "name": clean(name), "hint": hint(key)}
        with self.database.write() as connection:
            self.database.insert_new(connection, api_keys, [row])

    def hashes(self) -> frozenset[str]:
        """SHA-256 of every allowed key, in hex."""
        with self.database.read() as connection:
            return frozenset(connection.execute(select(api_keys.c.sha256)).scalars())

    def all(self) -> list[ApiKey]:
        """What is known of each key, oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created_at, api_keys.c.sha256)).all()
        return [
            ApiKey(
                id=key_id(row.sha256),
                created_at=row.created_at,
                name=row.name,
                hint=row.hint,
                used_at=self._uses.get(row.sha256, row.used_at),
            )
            for row in rows
        ]

    def remove(self, item_id: str) -> bool:
        """Allow a key no longer, and sign out the browsers that came with it; returns whether there was such a key."""
        gone = [sha256 for sha256 in self.hashes() if key_id(sha256) == item_id]
        with self.database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.person_id == item_id))
            return connection.execute(delete(api_keys).where(api_keys.c.sha256.in_(gone))).rowcount == 1

    def note_use(self, sha256: str) -> None:
        """A call came with this key just now."""
        self._uses[sha256] = time.time()

    def keep_uses(self) -> None:
        """Write down what was noted since the last time."""
        noted: Mapping[str, float] = self._uses
        if not noted:
            return
        self._uses = {}
        with self.database.write() as connection:
            for sha256, at in noted.items():
                older = or_(api_keys.c.used_at.is_(None), api_keys.c.used_at < at)
                connection.execute(update(api_keys).where(api_keys.c.sha256 == sha256, older).values(used_at=at))


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def key_id(sha256: str) -> str:
    """The id of the key with this hash."""
    return f"key_{sha256[:24]}"


def hint(key: str) -> str:
    """A key's first and last letters; none of one so short that they would say it."""
    return f"{key[:5]}...{key[-4:]}" if len(key) >= 20 else "..."
