"""Queries over datasets and their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import insert, select

from tuneloop.errors import NotFound
from tuneloop.store.blobs import Blobs
from tuneloop.store.database import Database
from tuneloop.store.holders import HolderTable
from tuneloop.store.schema import dataset_rows, datasets, examples
from tuneloop.types import Dataset, Example, Message, Split


class Member(NamedTuple):
    """A row's place in a dataset, and what people said of it (as in Example)."""

    example_id: str
    split: Split
    log_id: str | None
    label: bool | None = None
    rejected: Sequence[Message] = ()


class DatasetTable(HolderTable[Dataset]):
    """The datasets of one database."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        super().__init__(database, blobs, datasets, Dataset, "dataset", timed=False)

    def add_examples(self, rows: Sequence[Example]) -> None:
        """Keep the content of rows; what is known already is stored once."""
        known = [
            {
                "id": row.id,
                "messages": list(row.messages),
                "tools": list(row.tools),
                "extra": dict(row.extra),
                "weight": row.weight,
            }
            for row in rows
        ]
        with self.database.write() as connection:
            self.database.insert_new(connection, examples, known)

    def create(self, dataset: Dataset, members: Sequence[Member], report: Iterable[bytes] = ()) -> Dataset:
        """Write a dataset and its members, whose examples are kept already, with its whole account: all or nothing."""
        rows = [
            {"dataset_id": dataset.id, "position": position, **member._asdict(), "rejected": list(member.rejected)}
            for position, member in enumerate(members)
        ]
        with self.blobs.stage() as staged:
            for piece in report:
                staged.write(piece)
            dataset = replace(dataset, sha256=staged.sha256 if staged.size else None)
            with self.database.write() as connection:
                if dataset.sha256 is not None:
                    self.database.lock(connection, staged.sha256)
                connection.execute(insert(datasets), [self.values(dataset)])
                connection.execute(insert(dataset_rows), rows)
                if dataset.sha256 is not None:
                    staged.keep()
        return dataset

    def named(self, name: str) -> Dataset:
        """By name (the newest one wins) or by id. Raises NotFound."""
        found = self.find(name) or next(iter(self.page(datasets.c.name == name, limit=1)[0]), None)
        if found is None:
            names = sorted({dataset.name for dataset in self.all()})
            known = f"; there are {', '.join(map(repr, names))}" if names else "; there is none yet"
            raise NotFound(f"no dataset {name!r}{known}", param="dataset")
        return found

    def rows(self, dataset_id: str, split: Split | None = None) -> Iterator[Example]:
        """The rows of a dataset in order, a page at a time in memory."""
        query = (
            select(dataset_rows, examples)
            .join_from(dataset_rows, examples, dataset_rows.c.example_id == examples.c.id)
            .where(dataset_rows.c.dataset_id == dataset_id)
            .order_by(dataset_rows.c.position)
            .limit(500)
        )
        if split is not None:
            query = query.where(dataset_rows.c.split == split)
        position = -1
        while True:
            with self.database.read() as connection:
                page = connection.execute(query.where(dataset_rows.c.position > position)).all()
            for row in page:
                yield Example(
                    id=row.example_id,
                    messages=row.messages,
                    tools=row.tools,
                    split=row.split,
                    weight=row.weight,
                    log_id=row.log_id,
                    extra=row.extra,
                    label=row.label,
                    rejected=tuple(row.rejected),
                )
            if len(page) < 500:
                return
            position = page[-1].position
