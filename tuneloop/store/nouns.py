"""What every simple noun's table can do: add, get, page, change, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Row, Table, delete, insert, select, tuple_, update

from tuneloop.errors import NotFound
from tuneloop.store.database import Database

T = TypeVar("T")


class NounTable(Generic[T]):
    """One table of frozen dataclasses with an `id`, newest first by `created_at` (or by `seq` where there is one)."""

    def __init__(self, database: Database, table: Table, kind: type[T], noun: str) -> None:
        self.database = database
        self.table = table
        self.kind = kind
        self.noun = noun
        self.columns = [table.c[field.name] for field in fields(cast(Any, kind))]
        self.order: Sequence[Column[Any]] = (table.c.seq,) if "seq" in table.c else (table.c.created_at, table.c.id)

    def values(self, item: T) -> dict[str, Any]:
        """The item as a row."""
        return {column.name: getattr(item, column.name) for column in self.columns}

    def make(self, row: Row[Any]) -> T:
        """The row as an item."""
        return self.kind(**{column.name: row._mapping[column.name] for column in self.columns})

    def add(self, *items: T) -> None:
        """Insert items; an id that is there already is a database error."""
        if items:
            with self.database.write() as connection:
                connection.execute(insert(self.table), [self.values(item) for item in items])

    def add_new(self, *items: T) -> None:
        """Insert items, leaving alone those whose id is there already."""
        with self.database.write() as connection:
            self.database.insert_new(connection, self.table, [self.values(item) for item in items])

    def find(self, item_id: str) -> T | None:
        """By id, or None."""
        with self.database.read() as connection:
            row = connection.execute(select(*self.columns).where(self.table.c.id == item_id)).first()
        return None if row is None else self.make(row)

    def get(self, item_id: str, *, param: str | None = None) -> T:
        """By id. Raises NotFound, naming `param`."""
        item = self.find(item_id)
        if item is None:
            raise NotFound(f"no {self.noun} {item_id!r}", param=param)
        return item

    def page(
        self, *conditions: ColumnElement[bool], limit: int, after: str | None = None, ascending: bool = False
    ) -> tuple[list[T], bool]:
        """At most `limit` items behind `after`, newest first unless `ascending`; and whether there are more."""
        query = select(*self.columns).where(*conditions)
        if after is not None:
            with self.database.read() as connection:
                key = connection.execute(select(*self.order).where(self.table.c.id == after)).first()
            if key is None:
                raise NotFound(f"no {self.noun} {after!r}", param="after")
            position = tuple_(*self.order)
            query = query.where(position > tuple(key) if ascending else position < tuple(key))
        query = query.order_by(*(column.asc() if ascending else column.desc() for column in self.order))
        with self.database.read() as connection:
            rows = connection.execute(query.limit(limit + 1)).all()
        return [self.make(row) for row in rows[:limit]], len(rows) > limit

    def all(self, *conditions: ColumnElement[bool]) -> list[T]:
        """Every item that fulfils the conditions, newest first."""
        query = select(*self.columns).where(*conditions).order_by(*(column.desc() for column in self.order))
        with self.database.read() as connection:
            return [self.make(row) for row in connection.execute(query)]

    def change(self, item_id: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
        """Set columns of one item if the conditions hold; returns whether they did."""
        statement = update(self.table).where(self.table.c.id == item_id, *conditions).values(**values)
        with self.database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def remove(self, item_id: str) -> bool:
        """Delete one item; returns whether it was there."""
        with self.database.write() as connection:
            return connection.execute(delete(self.table).where(self.table.c.id == item_id)).rowcount == 1
