"""Small SQLite databases in memory, in which the queries of strangers run: nothing is written, nothing else reached.

What a script or a query may do is decided by SQLite's authorizer; a progress handler ends what takes too long, limits
keep values small, and what sorting takes goes to temporary files (sqlite.org/c3ref/set_authorizer.html).
"""

from __future__ import annotations

import random
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

#: what a script or a query may take, and the rows it may give
SECONDS, MOST_ROWS = 2.0, 10_000
#: bytes of a value, of all that a query gives, and of a database
MOST_BYTES, MOST_RESULT, MOST_DATABASE = 1_000_000, 10_000_000, 50_000_000
#: databases that a one without rows becomes, and rows of each table in them
FILLINGS, FILLED_ROWS = 10, 16

_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_REACHES_OUT = {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_CREATE_VTABLE}
_FUNCTIONS = {"load_extension", "fts3_tokenizer"}
#: where a text ends, a comment, brackets: what is between them is the query itself
_PARTS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[()]|\w+|\S""", re.DOTALL)
_COMPARED = re.compile(
    r"""(\w+)\s*(?:=|==|<>|!=|<=?|>=?|LIKE|IS|IN\s*\()\s*('(?:[^']|'')*'|"(?:[^"]|"")*"|-?\d+(?:\.\d+)?)""",
    re.IGNORECASE,
)


class Refused(Exception):
    """SQLite, or a limit, says no."""


@lru_cache(maxsize=32)
def make(script: str) -> bytes:
    """The database that a script of CREATE and INSERT makes. Raises Refused."""
    with closing(_opened(writing=True)) as connection:
        _guarded(lambda: connection.executescript(script))
        return _bytes(connection)


def problem(database: bytes, query: str) -> str | None:
    """What is wrong with a query, which is only prepared; None when nothing is."""
    if not query.strip().strip(";"):
        return "there is no query"
    try:
        with closing(_opened(database)) as connection:
            _guarded(lambda: connection.execute(f"EXPLAIN {query.strip().rstrip(';')}").fetchall())
    except Refused as error:
        return str(error)
    return None


def rows(database: bytes, query: str) -> list[tuple[Any, ...]]:
    """What a query gives; numbers of nine digits, so that the order of a sum does not matter. Raises Refused."""
    found: list[tuple[Any, ...]] = []
    size = 0

    def fetch(connection: sqlite3.Connection) -> None:
        nonlocal size
        for row in connection.execute(query.strip().rstrip(";")):
            found.append(tuple(map(_plain, row)))
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(found) > MOST_ROWS or size > MOST_RESULT:
                raise Refused(f"it gives more than {MOST_ROWS} rows, or {MOST_RESULT // 10**6} MB")

    with closing(_opened(database)) as connection:
        _guarded(lambda: fetch(connection))
    return found


def is_ordered(query: str) -> bool:
    """Whether a query itself, not only one inside it, has an ORDER BY."""
    depth, words = 0, []
    for part in _PARTS.findall(query):
        depth += (part == "(") - (part == ")")
        if not depth and not part.startswith(("--", "/*")):
            words.append(part.casefold())
    return any(pair == ("order", "by") for pair in zip(words, words[1:], strict=False))


def filled(database: bytes, queries: Sequence[str]) -> Iterator[bytes]:
    """The database itself where it has rows; else FILLINGS of it with made-up ones, always the same. What the queries
    compare a column with is put into it often, so that they find something (as Zhong, Yu and Klein 2020, "Semantic
    Evaluation for Text-to-SQL with Distilled Test Suites", make their test suites)."""
    with closing(_opened(database)) as connection:
        tables = _guarded(lambda: _tables(connection))
        if any(connection.execute(f"SELECT 1 FROM {_quoted(table)} LIMIT 1").fetchone() for table in tables):
            yield database
            return
    values = _values(queries)
    for seed in range(FILLINGS):
        with closing(_opened(database, writing=True)) as connection:
            connection.execute("BEGIN")
            for table, columns in tables.items():
                _fill(connection, table, columns, values, random.Random(f"{seed} {table}"))
            connection.execute("COMMIT")
            made = _bytes(connection)
        yield made


def _opened(database: bytes | None = None, *, writing: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    if database is not None:
        connection.deserialize(database)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute(f"PRAGMA max_page_count = {MOST_DATABASE // 4096}")
    ends = time.monotonic() + SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > ends, 1000)
    connection.set_authorizer(_may_write if writing else _may_read)
    return connection


def _bytes(connection: sqlite3.Connection) -> bytes:
    connection.set_authorizer(None)  # it would be asked about a pragma of SQLite's own
    return connection.serialize()


def _may_read(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _READS and second not in _FUNCTIONS else sqlite3.SQLITE_DENY


def _may_write(action: int, first: str | None, second: str | None, _database: str | None, _by: str | None) -> int:
    forbidden = action in _REACHES_OUT or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
    return sqlite3.SQLITE_DENY if forbidden else sqlite3.SQLITE_OK


def _guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except sqlite3.OperationalError as error:
        timeout = f"timeout: it takes more than {SECONDS:g} s" if str(error) == "interrupted" else None
        raise Refused(timeout or str(error)) from None
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
        raise Refused(str(error) or type(error).__name__) from None


def _plain(value: Any) -> Any:
    return float(f"{value:.9g}") if isinstance(value, int | float) else value


def _tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    """The columns of each table that can be filled."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    tables = {}
    for (name,) in names.fetchall():
        described = connection.execute(f"SELECT * FROM {_quoted(name)} LIMIT 0").description
        tables[name] = [column[0] for column in described]
    return tables


def _values(queries: Sequence[str]) -> dict[str, list[Any]]:
    """What the queries compare each column (by its name in lower case) with, and neighbours of it."""
    found: dict[str, list[Any]] = {}
    for column, literal in (pair for query in queries for pair in _COMPARED.findall(query)):
        values = found.setdefault(column.casefold(), [])
        if literal[0] in "'\"":
            values.append(literal[1:-1].replace("%", ""))
        else:
            number = float(literal) if "." in literal else int(literal)
            values += [number, number + 1, number - 1]
    return found


def _fill(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    values: dict[str, list[Any]],
    dice: random.Random,
) -> None:
    into = f"INSERT OR IGNORE INTO {_quoted(table)} VALUES ({', '.join('?' * len(columns))})"
    for _ in range(FILLED_ROWS):
        connection.execute(into, [_value(values.get(column.casefold(), ()), dice) for column in columns])


def _value(known: Sequence[Any], dice: random.Random) -> Any:
    """Mostly one that is compared with; else a small number, which joins find again, or a word."""
    if known and dice.random() < 0.7:
        return dice.choice(known)
    return dice.choice((1, 2, 3, "Y", "N")) if known else dice.randint(1, 3)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
