"""The store: one body of SQL for SQLite and PostgreSQL, a table of each noun, and the bytes of files."""

from __future__ import annotations

from tuneloop.store import schema
from tuneloop.store.blobs import Blobs
from tuneloop.store.database import Database
from tuneloop.store.datasets import DatasetTable
from tuneloop.store.deployments import DeploymentTable
from tuneloop.store.keys import KeyTable
from tuneloop.store.logs import LogTable
from tuneloop.store.nouns import NounTable
from tuneloop.store.scores import ScoreTable
from tuneloop.types import Evaluation, Event, File, FineTuningJob, Model

__all__ = ["Blobs", "Database", "Store"]


class Store:
    """Everything that is kept, by noun."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs
        self.logs = LogTable(database)
        self.scores = ScoreTable(database)
        self.datasets = DatasetTable(database)
        self.deployments = DeploymentTable(database)
        self.keys = KeyTable(database)
        self.files = NounTable(database, schema.files, File, "file")
        self.jobs = NounTable(database, schema.jobs, FineTuningJob, "fine-tuning job")
        self.events = NounTable(database, schema.events, Event, "event")
        self.models = NounTable(database, schema.models, Model, "model")
        self.evaluations = NounTable(database, schema.evaluations, Evaluation, "evaluation")

    def close(self) -> None:
        """Give all connections back."""
        self.database.close()
