"""Queries over files. One that has expired is as good as gone, also while its row and bytes are still there."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import ColumnElement, select

from tuneloop.store.blobs import Blobs
from tuneloop.store.database import Database
from tuneloop.store.holders import HolderTable
from tuneloop.store.schema import files
from tuneloop.types import File


class FileTable(HolderTable[File]):
    """The files of one database."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        super().__init__(database, blobs, files, File, "file")

    def find(self, item_id: str) -> File | None:
        """By id; None also when it has expired."""
        file = super().find(item_id)
        expired = file is not None and file.expires_at is not None and file.expires_at <= time.time()
        return None if expired else file

    def page(self, *conditions: ColumnElement[bool], **how: Any) -> tuple[list[File], bool]:
        """As any noun's, without those that have expired."""
        return super().page(_unexpired(), *conditions, **how)

    def all(self, *conditions: ColumnElement[bool]) -> list[File]:
        """As any noun's, without those that have expired."""
        return super().all(_unexpired(), *conditions)

    def expired(self) -> list[str]:
        """The ids of those that have."""
        with self.database.read() as connection:
            return list(connection.execute(select(files.c.id).where(files.c.expires_at <= time.time())).scalars())


def _unexpired() -> ColumnElement[bool]:
    return files.c.expires_at.is_(None) | (files.c.expires_at > time.time())
