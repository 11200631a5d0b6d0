"""The tables as SQLAlchemy sees them: one body of SQL for SQLite and PostgreSQL.

The migrations make them; a contract test holds the two against each other.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()

logs = Table(
    "logs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("source", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("served_by", Text),
    Column("status", Integer, nullable=False),
    Column("error", Text),
    Column("stream", Boolean, nullable=False),
    Column("latency_ms", Double),
    Column("first_token_ms", Double),
    Column("prompt_tokens", Integer),
    Column("completion_tokens", Integer),
    Column("cost", Double),
    Column("finish_reason", Text),
    Column("user", Text),
    Column("metadata", JSON(none_as_null=True), nullable=False),
    Column("response_id", Text),
    Column("input_text", Text, nullable=False),
    Column("output_text", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Index("logs_newest", "created_at", "id"),
    Index("logs_response", "response_id"),
    Index("logs_model", "model", "created_at"),
)

log_metadata = Table(
    "log_metadata",
    metadata,
    Column("log_id", Text, ForeignKey("logs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("log_metadata_lookup", "key", "value"),
)

scores = Table(
    "scores",
    metadata,
    Column("id", Text, primary_key=True),
    Column("log_id", Text, ForeignKey("logs.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text),
    Column("number", Double),
    Column("text", Text),
    Column("source", Text, nullable=False),
    Column("user", Text),
    Column("comment", Text),
    Column("correction", JSON(none_as_null=True)),
    Index("scores_of_log", "log_id", "name", "created_at", "id"),
)

examples = Table(
    "examples",
    metadata,
    Column("id", Text, primary_key=True),
    Column("messages", JSON, nullable=False),
    Column("tools", JSON, nullable=False),
    Column("extra", JSON, nullable=False),
    Column("weight", Double, nullable=False),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("origin", Text, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("account", JSON, nullable=False),
    Index("datasets_name", "name", "created_at"),
)

dataset_rows = Table(
    "dataset_rows",
    metadata,
    Column("dataset_id", Text, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("example_id", Text, ForeignKey("examples.id"), nullable=False),
    Column("split", Text, nullable=False),
    Column("log_id", Text),
    Column("label", Boolean),
    Column("rejected", JSON, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("training_file", Text, nullable=False),
    Column("validation_file", Text),
    Column("status", Text, nullable=False),
    Column("suffix", Text),
    Column("seed", BigInteger, nullable=False),
    Column("method", JSON, nullable=False),
    Column("hyperparameters", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("fine_tuned_model", Text),
    Column("trained_tokens", BigInteger),
    Column("estimated_finish", Double),
    Column("error", JSON(none_as_null=True)),
    Column("result_files", JSON, nullable=False),
    Column("dataset_id", Text),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("level", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON(none_as_null=True)),
    Index("events_of_job", "job_id", "seq"),
)

models = Table(
    "models",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("base", Text, nullable=False),
    Column("owned_by", Text, nullable=False),
    Column("adapter", Text),
    Column("job_id", Text),
)

deployments = Table(
    "deployments",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("alias", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("note", Text),
    Index("deployments_alias", "alias", "seq"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("dataset_id", Text, nullable=False),
    Column("report", JSON, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
)

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
