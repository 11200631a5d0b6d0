"""The tables of OpenAI's evals, as `schema` has the others."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, Integer, Table, Text

from tuneloop.store.schema import metadata

evals = Table(
    "evals",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("data_source_config", JSON, nullable=False),
    Column("testing_criteria", JSON, nullable=False),
    Column("metadata", JSON(none_as_null=True)),
    Index("evals_updated", "updated_at", "id"),
)

eval_runs = Table(
    "eval_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("eval_id", Text, ForeignKey("evals.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("data_source", JSON, nullable=False),
    Column("status", Text, nullable=False),
    Column("metadata", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("report", JSON, nullable=False),
    Column("sha256", Text),
    Index("eval_runs_of", "eval_id", "id"),
    Index("eval_runs_bytes", "sha256"),
)

eval_items = Table(
    "eval_items",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("eval_runs.id", ondelete="CASCADE"), nullable=False),
    Column("eval_id", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("position", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("item", JSON, nullable=False),
    Column("sample", JSON, nullable=False),
    Column("results", JSON, nullable=False),
    Column("usage", JSON, nullable=False),
    Index("eval_items_of", "run_id", "id"),
)
