"""What every simple noun's table can do: add, get, page, change, remove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, delete, insert, select, tuple_, update

from tuneloop.errors import NotFound
from tuneloop.store.database import Database
from tuneloop.store.ids import is_timed

T = TypeVar("T")


class NounTable(Generic[T]):
    """One table of frozen dataclasses with an `id`, newest first.

    Ids of `new_id` grow with time, so their order is that of creation, and a page goes on behind an item that has been
    deleted meanwhile. `timed=False` says that the ids are others: then `created_at` comes first. A table with a `seq`
    is ordered by that.
    """

    def __init__(self, database: Database, table: Table, kind: type[T], noun: str, *, timed: bool = True) -> None:
        self.database = database
        self.table = table
        self.kind = kind
        self.noun = noun
        self.columns = [table.c[field.name] for field in fields(cast(Any, kind))]
        self.order: Sequence[Column[Any]] = (table.c.id,) if timed else (table.c.created_at, table.c.id)
        if "seq" in table.c:
            self.order = (table.c.seq,)

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
            self.add_new_within(connection, *items)

    def add_new_within(self, connection: Connection, *items: T) -> None:
        """The same within the caller's transaction."""
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
        self,
        *conditions: ColumnElement[bool],
        limit: int,
        after: str | None = None,
        ascending: bool = False,
        order: Sequence[Column[Any]] = (),
        keep: Callable[[T], bool] | None = None,
    ) -> tuple[list[T], bool]:
        """At most `limit` items behind the item `after`, newest first unless `ascending`; and whether there are more.

        `order` are other columns to go by, the last of them unique; `keep` judges what SQL cannot. Raises NotFound for
        an `after` that there never was.
        """
        order = order or self.order
        position = self._position(after, order) if after else None
        found: list[T] = []
        while True:
            rows = self._rows(conditions, order, position, ascending, limit + 1 if keep is None else max(limit, 100))
            for row in rows:
                item = self.make(row)
                if keep is None or keep(item):
                    found.append(item)
                if len(found) > limit:
                    return found[:limit], True
            if keep is None or not rows:
                return found, False
            position = tuple(rows[-1])[len(self.columns) :]

    def _position(self, item_id: str, order: Sequence[Column[Any]]) -> tuple[Any, ...]:
        with self.database.read() as connection:
            row = connection.execute(select(*order).where(self.table.c.id == item_id)).first()
        if row is not None:
            return tuple(row)
        if order == (self.table.c.id,) and is_timed(item_id):
            return (item_id,)  # deleted since the caller saw it; its place is still known
        raise NotFound(f"no {self.noun} {item_id!r}", param="after")

    def _rows(
        self,
        conditions: Sequence[ColumnElement[bool]],
        order: Sequence[Column[Any]],
        position: tuple[Any, ...] | None,
        ascending: bool,
        limit: int,
    ) -> Sequence[Row[Any]]:
        """Rows of the columns, then of the order's (which a dataclass need not have)."""
        behind = [column.label(f"order_{i}") for i, column in enumerate(order)]
        query = select(*self.columns, *behind).where(*conditions).limit(limit)
        if position is not None:
            query = query.where(tuple_(*order) > position if ascending else tuple_(*order) < position)
        query = query.order_by(*(column.asc() if ascending else column.desc() for column in order))
        with self.database.read() as connection:
            return connection.execute(query).all()

    def all(self, *conditions: ColumnElement[bool]) -> list[T]:
        """Every item that fulfils the conditions, newest first."""
        query = select(*self.columns).where(*conditions).order_by(*(column.desc() for column in self.order))
        with self.database.read() as connection:
            return [self.make(row) for row in connection.execute(query)]

    def change(self, item_id: str, *conditions: ColumnElement[bool], **values: Any) -> bool:
        """Set columns of one item if the conditions hold; returns whether they did."""
        with self.database.write() as connection:
            return self.change_within(connection, item_id, *conditions, **values)

    def change_within(
        self, connection: Connection, item_id: str, *conditions: ColumnElement[bool], **values: Any
    ) -> bool:
        """The same within the caller's transaction."""
        statement = update(self.table).where(self.table.c.id == item_id, *conditions).values(**values)
        return connection.execute(statement).rowcount == 1

    def remove(self, item_id: str) -> bool:
        """Delete one item; returns whether it was there."""
        with self.database.write() as connection:
            return connection.execute(delete(self.table).where(self.table.c.id == item_id)).rowcount == 1
