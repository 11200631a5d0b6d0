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
    Column("trace_id", Text),
    Column("span_id", Text),
    Column("parent_id", Text),
    Column("span_name", Text),
    Column("span_kind", Text),
    Column("attributes", JSON(none_as_null=True)),
    Column("prompt", Text),
    Column("input_text", Text, nullable=False),
    Column("output_text", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Index("logs_newest", "created_at", "id"),
    Index("logs_response", "response_id"),
    Index("logs_model", "model", "created_at", "id"),
    Index("logs_failed", "status", "id"),
    Index("logs_trace", "trace_id", "created_at"),
    Index("logs_span", "span_id"),
    Index("logs_parent", "parent_id"),
    Index("logs_prompt", "prompt", "created_at"),
)

log_metadata = Table(
    "log_metadata",
    metadata,
    Column("log_id", Text, ForeignKey("logs.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Index("log_metadata_lookup", "key", "value"),
)

stored = Table(
    "stored",
    metadata,
    Column("place", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("log_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("previous", Text),
    Column("deleted", Boolean, nullable=False),
    Index("stored_id", "id", "place"),
    Index("stored_log", "log_id"),
)

stored_terms = Table(
    "stored_terms",
    metadata,
    Column("term", Text, primary_key=True),
    Column("place", Text, primary_key=True),
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
    Index("scores_value", "name", "kind", "text", "number", "log_id"),
    Index("scores_corrections", "log_id"),
    Index("scores_newest", "created_at", "log_id"),
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
    Column("sha256", Text),
    Index("datasets_name", "name", "created_at"),
    Index("datasets_bytes", "sha256"),
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
    Index("dataset_rows_log", "log_id"),
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
    Column("expires_at", Double),
    Index("files_expiry", "expires_at"),
    Index("files_bytes", "sha256"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("filename", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("file_seconds", BigInteger),
    Column("file_id", Text),
    Index("uploads_open", "status", "expires_at"),
)

upload_parts = Table(
    "upload_parts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("upload_id", Text, ForeignKey("uploads.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Index("upload_parts_of", "upload_id"),
    Index("upload_parts_bytes", "sha256"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("sha256", Text),
    Column("status", Text, nullable=False),
    Column("metadata", JSON(none_as_null=True)),
    Column("output_seconds", BigInteger),
    Column("model", Text),
    Column("expires_at", Double, nullable=False),
    Column("in_progress_at", Double),
    Column("finalizing_at", Double),
    Column("completed_at", Double),
    Column("failed_at", Double),
    Column("expired_at", Double),
    Column("cancelling_at", Double),
    Column("cancelled_at", Double),
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    Column("errors", JSON(none_as_null=True)),
    Column("total", BigInteger, nullable=False),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Index("batches_bytes", "sha256"),
)

batch_answers = Table(
    "batch_answers",
    metadata,
    Column("batch_id", Text, ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("ok", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
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
    Column("base", Text, nullable=False, default=""),
    Column("integrations", JSON(none_as_null=True)),
    Column("paused_at", Double),
    Column("resumed", Integer, nullable=False, default=0),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("model", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("metrics", JSON, nullable=False),
    Index("checkpoints_of_job", "job_id", "created_at"),
)

permissions = Table(
    "permissions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Index("permissions_of_model", "model", "created_at"),
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
    Column("prompt", Text),
    Column("shares", JSON, nullable=False, default=list),
    Column("shadow", JSON, nullable=False, default=list),
    Column("user", Text),
    Index("deployments_alias", "alias", "seq"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("dataset_id", Text, nullable=False),
    Column("report", JSON, nullable=False),
    Column("status", Text, nullable=False, default="completed"),
    Column("digest", Text, nullable=False, default=""),
    Column("asked", JSON(none_as_null=True)),
    Column("progress", JSON, nullable=False, default=dict),
    Column("error", JSON(none_as_null=True)),
    Index("evaluations_open", "digest", "status"),
)

evaluation_answers = Table(
    "evaluation_answers",
    metadata,
    Column("evaluation_id", Text, ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True),
    Column("arm", Text, primary_key=True),
    Column("row_id", Text, primary_key=True),
    Column("answer", JSON, nullable=False),
)

announcements = Table(
    "announcements",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sorted", Boolean, nullable=False, default=False),
    Index("announcements_new", "sorted", "created_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("announcement_id", Text, ForeignKey("announcements.id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double),
    Column("delivered_at", Double),
    Column("status", Integer),
    Column("error", Text),
    Index("deliveries_due", "due_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("used_at", Double),
)

revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
