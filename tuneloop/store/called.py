"""Which models were called."""

from __future__ import annotations

from sqlalchemy import func, select

from tuneloop.store.database import Database
from tuneloop.store.schema import logs


def models(database: Database, most: int) -> list[str]:
    """The names that calls asked for, in alphabetical order: the index is walked from name to name, so that a million
    calls to three models are three look-ups."""
    found: list[str] = []
    with database.read() as connection:
        while len(found) < most:
            behind = [logs.c.model > found[-1]] if found else []
            name = connection.execute(select(func.min(logs.c.model)).where(*behind)).scalar()
            if name is None:
                break
            found.append(name)
    return found
