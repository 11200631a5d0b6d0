"""What finds logs quickly: indexes that each database makes in its own way.

In SQLite new logs wait in a list that triggers keep, and the server puts them into the indexes while it runs
(`tuneloop.store.log_texts`): so the gateway's writes stay nearly as fast as without. PostgreSQL does its own at once.
"""

from __future__ import annotations

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

_SQLITE = (
    "CREATE INDEX scores_value ON scores (name, kind, text, number, log_id)",
    "CREATE TABLE log_places (place INTEGER PRIMARY KEY, "
    "log_id TEXT NOT NULL UNIQUE REFERENCES logs (id) ON DELETE CASCADE, latency_ms DOUBLE, cost DOUBLE)",
    "CREATE INDEX log_places_latency ON log_places (latency_ms, log_id)",
    "CREATE INDEX log_places_cost ON log_places (cost, log_id)",
    "CREATE TABLE log_places_waiting (seq INTEGER PRIMARY KEY, log_id TEXT NOT NULL)",
    "CREATE TRIGGER log_places_new AFTER INSERT ON logs BEGIN "
    "INSERT INTO log_places_waiting (log_id) VALUES (new.id); END",
    "CREATE TRIGGER log_places_changed AFTER UPDATE OF input_text, output_text, created_at, latency_ms, cost ON logs "
    "BEGIN INSERT INTO log_places_waiting (log_id) VALUES (new.id); END",
    "INSERT INTO log_places_waiting (log_id) SELECT id FROM logs",
)
_POSTGRESQL = (
    # It takes no long texts into such an index.
    "CREATE INDEX scores_value ON scores (name, kind, left(text, 100), number, log_id)",
    "CREATE INDEX logs_latency ON logs (latency_ms, id)",
    "CREATE INDEX logs_cost ON logs (cost, id)",
)
#: what a database may lack: FTS5 (an SQLite before 3.34), pg_trgm or the right to make it
_WORDS = {
    # Its rows are never deleted: places are not used twice.
    "sqlite": (
        "CREATE VIRTUAL TABLE log_words USING fts5(body, content='', detail=none, columnsize=0, tokenize='trigram')",
    ),
    "postgresql": (
        "CREATE EXTENSION IF NOT EXISTS pg_trgm",
        # What is new is read through by every search, so it may not become long.
        "CREATE INDEX logs_input_words ON logs USING gin (input_text gin_trgm_ops) WITH (gin_pending_list_limit = 256)",
        "CREATE INDEX logs_output_words ON logs USING gin (output_text gin_trgm_ops) "
        "WITH (gin_pending_list_limit = 256)",
    ),
}


def make(connection: Connection) -> None:
    """Make the indexes, each database its own; that of words is left out where it cannot be, and texts are then
    searched one by one."""
    dialect = connection.dialect.name
    for statement in _SQLITE if dialect == "sqlite" else _POSTGRESQL:
        connection.execute(text(statement))
    try:
        with connection.begin_nested():
            for statement in _WORDS[dialect]:
                connection.execute(text(statement))
    except DBAPIError:
        return
