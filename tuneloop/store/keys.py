"""Queries over API keys. Only hashes are kept."""

from __future__ import annotations

import hashlib
import time

from sqlalchemy import select

from tuneloop.store.database import Database
from tuneloop.store.schema import api_keys


class KeyTable:
    """The API keys of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, key: str, name: str) -> None:
        """Allow a key from now on."""
        row = {"sha256": digest(key), "created_at": time.time(), "name": name, "hint": f"{key[:5]}...{key[-4:]}"}
        with self.database.write() as connection:
            self.database.insert_new(connection, api_keys, [row])

    def hashes(self) -> frozenset[str]:
        """SHA-256 of every allowed key, in hex."""
        with self.database.read() as connection:
            return frozenset(connection.execute(select(api_keys.c.sha256)).scalars())


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()
