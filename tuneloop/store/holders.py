"""Tables of nouns that have bytes in the blob store, and the bytes that go with the last one that has them."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Connection, Table, delete, select

from tuneloop.errors import NotFound
from tuneloop.store.blobs import Blobs, Staged
from tuneloop.store.database import Database
from tuneloop.store.eval_tables import eval_runs
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import batches, datasets, files, upload_parts

T = TypeVar("T")

#: whoever has bytes says so in a column `sha256`
HOLDERS = (files, upload_parts, batches, eval_runs, datasets)


class HolderTable(NounTable[T]):
    """A noun whose `sha256` names bytes in `blobs`. Who adds and who removes the same bytes wait for each other."""

    def __init__(
        self, database: Database, blobs: Blobs, table: Table, kind: type[T], noun: str, *, timed: bool = True
    ) -> None:
        super().__init__(database, table, kind, noun, timed=timed)
        self.blobs = blobs

    def keep(self, item: T, staged: Staged) -> None:
        """Add an item together with its bytes."""
        with self.database.write() as connection:
            self.keep_within(connection, item, staged)

    def keep_within(self, connection: Connection, item: T, staged: Staged) -> None:
        """The same within the caller's transaction."""
        self.database.lock(connection, staged.sha256)
        self.add_new_within(connection, item)
        staged.keep()

    def share(self, item: T, sha256: str) -> None:
        """Add an item that has the bytes of another. Raises NotFound when those have just gone."""
        with self.database.write() as connection:
            self.database.lock(connection, sha256)
            if not _held(connection, sha256):
                raise NotFound(f"the bytes of {sha256} are gone")
            self.add_new_within(connection, item)

    def remove(self, item_id: str) -> bool:
        """Delete one item, and its bytes when nobody else has them; returns whether it was there."""
        gone = delete(self.table).where(self.table.c.id == item_id).returning(self.table.c.sha256)
        with self.database.write() as connection:
            row = connection.execute(gone).first()
        if row is not None and row.sha256 is not None:
            self.release(row.sha256)
        return row is not None

    def release(self, sha256: str) -> None:
        """Delete bytes unless somebody has them."""
        with self.database.write() as connection:
            self.database.lock(connection, sha256)
            if not _held(connection, sha256):
                self.blobs.remove(sha256)


def _held(connection: Connection, sha256: str) -> bool:
    queries = (select(table.c.id).where(table.c.sha256 == sha256).limit(1) for table in HOLDERS)
    return any(connection.execute(query).first() is not None for query in queries)
