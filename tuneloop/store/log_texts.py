"""Indexes that are filled while the server runs: where logs stand in time, and which words are in them. SQLite alone.

A Log has a place: its time in steps of 1/1024 s, times 2**21, plus a random number, so that places are in the order of
time. Under it stand the trigrams of its texts, its latency and its cost. A search for words finds the Logs that have
all trigrams of them, newest first: a few too many, never one too few; the filter itself decides. Logs that are not
indexed yet are in a list of their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, text

from tuneloop.store.database import Database

#: a second has so many steps: a power of two, so that floats and places agree on what is earlier
STEPS = 1024
_LOW_BITS = 21
_LAST_STEP = (1 << 42) - 1
#: trigrams of one text that are looked up: more make it slower and find hardly fewer
_MOST_TRIGRAMS = 16


class Match(NamedTuple):
    """Places that FTS5 finds, and their Logs; the last of them is where to go on."""

    ids: list[str]
    last: int | None


class LogTexts:
    """The index of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._known: bool | None = None

    @property
    def exists(self) -> bool:
        """Whether this database has the index of words."""
        if self._known is None:
            query = text("SELECT count(*) FROM sqlite_master WHERE name = 'log_words'")
            with self.database.read() as connection:
                self._known = self.database.dialect == "sqlite" and bool(connection.execute(query).scalar_one())
        return self._known

    def waiting(self, connection: Connection, most: int) -> list[str]:
        """Logs that are not in the index yet, at most so many."""
        query = text("SELECT DISTINCT log_id FROM log_places_waiting LIMIT :most")
        return list(connection.execute(query, {"most": most}).scalars())

    def find(self, connection: Connection, words: str, after: int | None, *, forward: bool, most: int) -> Match:
        """At most so many Logs that may hold what `words` (of `query_of`) says, behind a place, newest first;
        `forward` is oldest first."""
        beyond = "" if after is None else f"AND rowid {'>' if forward else '<'} :after"
        found = text(
            f"SELECT rowid FROM log_words WHERE log_words MATCH :words {beyond} "
            f"ORDER BY rowid {'ASC' if forward else 'DESC'} LIMIT :most"
        )
        parameters = {"words": words, "most": most} | ({} if after is None else {"after": after})
        places = list(connection.execute(found, parameters).scalars())
        ids: list[str] = []
        named = text("SELECT log_id FROM log_places WHERE place IN :places").bindparams(
            bindparam("places", expanding=True)
        )
        for start in range(0, len(places), 5000):
            ids += connection.execute(named, {"places": places[start : start + 5000]}).scalars()
        return Match(ids, places[-1] if len(places) == most else None)

    def take(self, most: int = 64) -> int:
        """Index some Logs that wait; returns how many waited. Small pieces: a call's own write waits meanwhile."""
        if self.database.dialect != "sqlite":
            return 0
        with self.database.read() as connection:
            rows = connection.execute(
                text(
                    "SELECT waiting.seq, logs.id, logs.created_at, logs.input_text, logs.output_text "
                    "FROM log_places_waiting AS waiting LEFT JOIN logs ON logs.id = waiting.log_id "
                    "ORDER BY waiting.seq LIMIT :most"
                ),
                {"most": most},
            ).all()
        if rows:
            with self.database.write() as connection:
                self._index(connection, {row.id: row for row in rows if row.id is not None})
                connection.execute(
                    text("DELETE FROM log_places_waiting WHERE seq BETWEEN :first AND :last"),
                    {"first": rows[0].seq, "last": rows[-1].seq},
                )
        return len(rows)

    def _index(self, connection: Connection, rows: dict[str, Row[Any]]) -> None:
        if not rows:
            return
        drop = text("DELETE FROM log_places WHERE log_id IN :ids").bindparams(bindparam("ids", expanding=True))
        connection.execute(drop, {"ids": list(rows)})
        taken: set[int] = set()
        # In the order of places: FTS5 writes what it has so far when a place is lower than the one before.
        at = sorted((_free_place(connection, row.created_at, taken), row.id) for row in rows.values())
        # A Log that was deleted meanwhile gets no place; its words then lead nowhere.
        new = "INSERT INTO log_places (place, log_id, latency_ms, cost) SELECT ?, id, latency_ms, cost FROM logs "
        _insert(connection, new + "WHERE id = ?", at)
        if self.exists:
            bodies = [(place, f"{rows[log_id].input_text}\n{rows[log_id].output_text}") for place, log_id in at]
            _insert(connection, "INSERT INTO log_words (rowid, body) VALUES (?, ?)", bodies)


def step_of(created_at: float) -> int:
    """The step of time that a Log of this time is in."""
    return min(max(int(created_at * STEPS), 0), _LAST_STEP)


def step_at(place: int) -> int:
    """The step of time that a place is in."""
    return place >> _LOW_BITS


def first_place(step: int) -> int:
    """The first place in a step."""
    return step << _LOW_BITS


def query_of(words: str) -> str | None:
    """What FTS5 is asked for a text; None when it is too short for that, or cannot be asked for."""
    forms = (words,) if words.isascii() else tuple(dict.fromkeys((words, words.lower(), words.upper())))
    if "\0" in words or min(map(len, forms)) < 3:
        return None
    return " OR ".join(f"({_trigrams(form)})" for form in forms)


def _trigrams(form: str) -> str:
    every = list(dict.fromkeys(form[i : i + 3] for i in range(len(form) - 2)))
    stride = -(-len(every) // _MOST_TRIGRAMS)
    return " AND ".join('"' + trigram.replace('"', '""') + '"' for trigram in every[::stride])


def _free_place(connection: Connection, created_at: float, taken: set[int]) -> int:
    place = first_place(step_of(created_at)) + secrets.randbits(_LOW_BITS)
    query = "SELECT 1 FROM log_places WHERE place = ?"
    while place in taken or connection.exec_driver_sql(query, (place,)).first() is not None:
        place += 1
    taken.add(place)
    return place


def _insert(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    connection.exec_driver_sql(statement, list(rows))
