"""The append-only list of migrations. A database remembers the names of those it has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

from sqlalchemy import Connection, text

from tuneloop.store.migrations import words

#: what differs between the two databases
WORDS = {
    "sqlite": {"blob": "BLOB", "json": "TEXT", "serial": "INTEGER PRIMARY KEY AUTOINCREMENT"},
    "postgresql": {"blob": "BYTEA", "json": "JSON", "serial": "SERIAL PRIMARY KEY"},
}


def _run_sql(connection: Connection, name: str) -> None:
    script = files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
    lines = [line for line in script.splitlines() if not line.lstrip().startswith("--")]
    for statement in "\n".join(lines).format_map(WORDS[connection.dialect.name]).split(";"):
        if statement.strip():
            connection.execute(text(statement))


def m001_initial(connection: Connection) -> None:
    """The first schema."""
    _run_sql(connection, "m001_initial")


def m002_preferences(connection: Connection) -> None:
    """Rows of data sets know what people said of them."""
    _run_sql(connection, "m002_preferences")


def m003_files(connection: Connection) -> None:
    """Files expire; uploads are put together from parts; batches."""
    _run_sql(connection, "m003_files")


def m004_jobs(connection: Connection) -> None:
    """Jobs can be paused; checkpoints, and who may use them."""
    _run_sql(connection, "m004_jobs")


def m005_stored(connection: Connection) -> None:
    """Chat completions and responses that their caller wants kept."""
    _run_sql(connection, "m005_stored")


def m006_evals(connection: Connection) -> None:
    """OpenAI's evals, their runs and output items."""
    _run_sql(connection, "m006_evals")


def m007_traces(connection: Connection) -> None:
    """Logs know their place in a trace."""
    _run_sql(connection, "m007_traces")


def m008_webhooks(connection: Connection) -> None:
    """What is still to be told to webhooks."""
    _run_sql(connection, "m008_webhooks")


def m009_accounts(connection: Connection) -> None:
    """Data sets keep the whole account of the rows that they were made of."""
    _run_sql(connection, "m009_accounts")


def m010_evaluations(connection: Connection) -> None:
    """Evaluations keep every answer at once; deployments have instructions."""
    _run_sql(connection, "m010_evaluations")


def m011_graders(connection: Connection) -> None:
    """Graders under names, what they said, what people are asked, monitors of new calls."""
    _run_sql(connection, "m011_graders")


def m012_prompts(connection: Connection) -> None:
    """Prompts in versions; logs know which of them they were asked with."""
    _run_sql(connection, "m012_prompts")


def m013_asked(connection: Connection) -> None:
    """Evaluations that a server runs."""
    _run_sql(connection, "m013_asked")


def m014_people(connection: Connection) -> None:
    """Who may sign in to the web page."""
    _run_sql(connection, "m014_people")


def m016_votes(connection: Connection) -> None:
    """Blind votes on answers."""
    _run_sql(connection, "m016_votes")


def m017_shares(connection: Connection) -> None:
    """Several models under one name."""
    _run_sql(connection, "m017_shares")


def m018_settings(connection: Connection) -> None:
    """API keys know when they were used; the playground keeps its sheets; logs can go."""
    _run_sql(connection, "m018_settings")


def m019_sittings(connection: Connection) -> None:
    """What has been scored since a moment is found."""
    _run_sql(connection, "m019_sittings")


def m015_search(connection: Connection) -> None:
    """Logs are found quickly among a million."""
    _run_sql(connection, "m015_search")
    words.make(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    m001_initial,
    m002_preferences,
    m003_files,
    m004_jobs,
    m005_stored,
    m006_evals,
    m007_traces,
    m008_webhooks,
    m009_accounts,
    m010_evaluations,
    m011_graders,
    m012_prompts,
    m013_asked,
    m014_people,
    m015_search,
    m016_votes,
    m017_shares,
    m018_settings,
    m019_sittings,
)


def migrate(connection: Connection) -> list[str]:
    """Apply what is missing, in order, inside the caller's transaction; returns the names applied."""
    if connection.dialect.name == "postgresql":  # SQLite's write transaction has locked the others out already
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('tuneloop.migrations'))"))
    connection.execute(text("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)"))
    have = set(connection.execute(text("SELECT name FROM migrations")).scalars())
    missing = [step for step in MIGRATIONS if step.__name__ not in have]
    for step in missing:
        step(connection)
        connection.execute(
            text("INSERT INTO migrations (name, applied_at) VALUES (:name, CAST(CURRENT_TIMESTAMP AS TEXT))"),
            {"name": step.__name__},
        )
    return [step.__name__ for step in missing]
