"""The store: one body of SQL for SQLite and PostgreSQL, a table of each noun, and the bytes of files."""

from __future__ import annotations

from tuneloop.eval_types import Eval, EvalItem, EvalRun
from tuneloop.grader_types import Monitor
from tuneloop.store import eval_tables, schema
from tuneloop.store.batch_answers import BatchAnswerTable
from tuneloop.store.blobs import Blobs
from tuneloop.store.database import Database
from tuneloop.store.datasets import DatasetTable
from tuneloop.store.deployments import DeploymentTable
from tuneloop.store.evaluations import EvaluationTable
from tuneloop.store.files import FileTable
from tuneloop.store.graders import GraderTable, ResultTable, ReviewTable, monitors
from tuneloop.store.holders import HolderTable
from tuneloop.store.keys import KeyTable
from tuneloop.store.logs import LogTable
from tuneloop.store.nouns import NounTable
from tuneloop.store.people import PersonTable
from tuneloop.store.prompts import PromptTable
from tuneloop.store.scores import ScoreTable
from tuneloop.store.stored import StoredTable
from tuneloop.types import (
    Announcement,
    Batch,
    Checkpoint,
    Delivery,
    Event,
    FineTuningJob,
    Model,
    Permission,
    Upload,
    UploadPart,
)

__all__ = ["Blobs", "Database", "Store"]


class Store:
    """Everything that is kept, by noun."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self.database = database
        self.blobs = blobs
        self.logs = LogTable(database)
        self.scores = ScoreTable(database)
        self.stored = StoredTable(database)
        self.prompts = PromptTable(database)
        self.datasets = DatasetTable(database, blobs)
        self.deployments = DeploymentTable(database)
        self.keys = KeyTable(database)
        self.files = FileTable(database, blobs)
        self.uploads = NounTable(database, schema.uploads, Upload, "upload")
        self.upload_parts = HolderTable(database, blobs, schema.upload_parts, UploadPart, "part")
        self.batches = HolderTable(database, blobs, schema.batches, Batch, "batch")
        self.batch_answers = BatchAnswerTable(database)
        self.jobs = NounTable(database, schema.jobs, FineTuningJob, "fine-tuning job")
        self.events = NounTable(database, schema.events, Event, "event")
        self.models = NounTable(database, schema.models, Model, "model", timed=False)
        self.checkpoints = NounTable(database, schema.checkpoints, Checkpoint, "checkpoint")
        self.permissions = NounTable(database, schema.permissions, Permission, "permission")
        self.announcements = NounTable(database, schema.announcements, Announcement, "announcement")
        self.deliveries = NounTable(database, schema.deliveries, Delivery, "delivery")
        self.evals = NounTable(database, eval_tables.evals, Eval, "eval")
        self.eval_runs = HolderTable(database, blobs, eval_tables.eval_runs, EvalRun, "eval run")
        self.eval_items = NounTable(database, eval_tables.eval_items, EvalItem, "output item")
        self.graders = GraderTable(database)
        self.grader_results = ResultTable(database)
        self.reviews = ReviewTable(database)
        self.monitors = NounTable(database, monitors, Monitor, "monitor")
        self.evaluations = EvaluationTable(database)
        self.people = PersonTable(database)

    def close(self) -> None:
        """Give all connections back."""
        self.database.close()
