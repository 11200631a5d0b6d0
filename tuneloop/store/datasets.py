"""Queries over datasets and their rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, Text, cast, false, func, insert, or_, select

from tuneloop import calls
from tuneloop.errors import NotFound
from tuneloop.store.blobs import Blobs
from tuneloop.store.database import Database
from tuneloop.store.holders import HolderTable
from tuneloop.store.schema import dataset_rows, datasets, examples, jobs
from tuneloop.types import Dataset, Example, Message, Split


class Member(NamedTuple):
    """A row's place in a dataset, and what people said of it (as in Example)."""

    example_id: str
    split: Split
    log_id: str | None
    label: bool | None = None
    rejected: Sequence[Message] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sought:
    """Which rows of a dataset are looked for; without more, all."""

    split: Split | None = None
    #: stands in a message; case does not matter
    text: str = ""
    #: id of another dataset, whose rows are left out
    without: str | None = None


class Numbered(NamedTuple):
    """A row of a dataset and its number, counted from 1."""

    number: int
    example: Example


class Said(NamedTuple):
    """How many rows a dataset has, and of how many of them people said something."""

    rows: int
    bad: int
    #: with a worse answer beside the one that corrects it
    corrected: int
    #: with a thumb, or such a worse answer
    rated: int


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

    def versions(self, name: str) -> list[Dataset]:
        """All datasets of one name, newest first."""
        return self.all(datasets.c.name == name)

    def tuned(self) -> Mapping[str, int]:
        """How many fine-tuning jobs there are on each dataset, by its id."""
        query = (
            select(jobs.c.dataset_id, func.count()).where(jobs.c.dataset_id.is_not(None)).group_by(jobs.c.dataset_id)
        )
        with self.database.read() as connection:
            return {dataset_id: count for dataset_id, count in connection.execute(query)}

    def holding(self, log_id: str) -> list[tuple[Dataset, Split]]:
        """The datasets that have a row of this log, newest first, and the split that it is in."""
        query: Select[Any] = (
            select(*self.columns, dataset_rows.c.split)
            .join_from(datasets, dataset_rows, dataset_rows.c.dataset_id == datasets.c.id)
            .where(dataset_rows.c.log_id == log_id)
            .order_by(datasets.c.created_at.desc(), datasets.c.id.desc())
        )
        with self.database.read() as connection:
            return [(self.make(row), row.split) for row in connection.execute(query)]

    def rows(self, dataset_id: str, split: Split | None = None) -> Iterator[Example]:
        """The rows of a dataset in order, a page at a time in memory."""
        query = _rows(dataset_id, Sought(split=split)).order_by(_POSITION).limit(500)
        position = -1
        while True:
            with self.database.read() as connection:
                page = connection.execute(query.where(_POSITION > position)).all()
            yield from map(_example, page)
            if len(page) < 500:
                return
            position = page[-1].position

    def numbered(self, dataset_id: str, numbers: Iterable[int]) -> list[Numbered]:
        """The rows of these numbers that there are, in order."""
        wanted = [number - 1 for number in numbers]
        query = _rows(dataset_id, Sought()).where(_POSITION.in_(wanted)).order_by(_POSITION)
        with self.database.read() as connection:
            return [Numbered(row.position + 1, _example(row)) for row in connection.execute(query)]

    def look(
        self, dataset_id: str, sought: Sought, *, limit: int, after: int = 0, before: int | None = None
    ) -> tuple[list[Numbered], bool]:
        """At most `limit` of the rows that are sought, with numbers above `after`, or the last ones below `before`; and
        whether there are more that way."""
        query = _rows(dataset_id, sought).limit(max(limit + 1, 100))
        query = query.order_by(_POSITION if before is None else _POSITION.desc())
        found: list[Numbered] = []
        position = after - 1 if before is None else before - 1
        while len(found) <= limit:
            behind = _POSITION > position if before is None else _POSITION < position
            with self.database.read() as connection:
                page = connection.execute(query.where(behind)).all()
            if not page:
                break
            numbered = (Numbered(row.position + 1, _example(row)) for row in page)
            found += [one for one in numbered if _says(one.example, sought.text)]
            position = page[-1].position
        kept = found[:limit]
        return kept if before is None else kept[::-1], len(found) > limit

    def said(self, dataset_id: str) -> Said:
        """What people said of its rows."""
        corrected = cast(dataset_rows.c.rejected, Text) != "[]"
        query = select(
            func.count(),
            func.count().filter(dataset_rows.c.label.is_(False)),
            func.count().filter(corrected),
            func.count().filter(or_(corrected, dataset_rows.c.label.is_not(None))),
        ).where(dataset_rows.c.dataset_id == dataset_id)
        with self.database.read() as connection:
            return Said(*connection.execute(query).one())

    def count(self, dataset_id: str, sought: Sought) -> int:
        """How many rows there are of a split, without those of another dataset."""
        query = select(func.count()).select_from(_rows(dataset_id, replace(sought, text="")).subquery())
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())


_POSITION = dataset_rows.c.position


def _rows(dataset_id: str, sought: Sought) -> Select[Any]:
    """The rows, and perhaps more: what SQL finds of a text may be the name of a field."""
    query = (
        select(dataset_rows, examples)
        .join_from(dataset_rows, examples, dataset_rows.c.example_id == examples.c.id)
        .where(dataset_rows.c.dataset_id == dataset_id)
    )
    if sought.split is not None:
        query = query.where(dataset_rows.c.split == sought.split)
    if sought.without is not None:
        other = select(dataset_rows.c.example_id).where(dataset_rows.c.dataset_id == sought.without)
        query = query.where(dataset_rows.c.example_id.not_in(other))
    return query.where(_holds(sought.text)) if sought.text else query


def _holds(text: str) -> ColumnElement[bool]:
    """Messages are kept as JSON, with letters beyond ASCII escaped; the database folds the others."""
    forms = {json.dumps(form)[1:-1] for form in (text, text.lower(), text.upper())}
    kept = cast(examples.c.messages, Text)
    return or_(false(), *(kept.icontains(form, autoescape=True) for form in sorted(forms)))


def _says(example: Example, text: str) -> bool:
    wanted = text.lower()
    return not text or any(wanted in said.lower() for message in example.messages for said in _texts(message))


def _texts(message: Message) -> Iterator[str]:
    yield calls.content_text(message.get("content"))
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield from (str(function.get(key) or "") for key in ("name", "arguments"))


def _example(row: Row[Any]) -> Example:
    return Example(
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
