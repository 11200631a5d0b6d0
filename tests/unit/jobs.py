"""Fine-tuning jobs for tests: requests that are in order, and an executor that does what it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuneloop import files, finetuning
from tuneloop.executors.runner import Runner
from tuneloop.protocols import Asked
from tuneloop.store import Store, schema
from tuneloop.types import FineTuningJob

ROW = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}).encode()

#: does a part of the work in a job's folder: lines of events, and the exit code
Script = Callable[[Path], tuple[list[str], int]]


class ScriptedExecutor:
    """Does what each script says in turn: writes lines of events and leaves with an exit code."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.runs = 0

    def run(self, folder: Path, *, asked: Callable[[], Asked | None], on_line: Callable[[int, str], None]) -> int:
        lines, code = self.scripts[min(self.runs, len(self.scripts) - 1)](folder)
        self.runs += 1
        for number, line in enumerate(lines, start=1):
            on_line(number, line)
        return code


def upload(store: Store, content: bytes = b"\n".join([ROW] * 10)) -> str:
    """The id of a file to train on."""
    return files.create(store, "train.jsonl", "fine-tune", [content]).id


def create(store: Store, **fields: Any) -> FineTuningJob:
    """A job on the model `base`, or one tuned before, or the alias `alias` of `base`."""
    request = {"model": "base", "training_file": upload(store), **fields}
    tuned = {model.id: model.id for model in store.models.all()}
    return finetuning.create(store, request, tunable={"base": "base", "alias": "base", **tuned}.get)


def make_runner(store: Store, folder: Path, *scripts: Script) -> Runner:
    """A runner of jobs in `folder`/jobs whose training is scripted."""
    return Runner(
        store=store,
        folder=folder / "jobs",
        executor=ScriptedExecutor(*scripts),
        base_folder=lambda name, _: folder / name,
        organization="org",
    )


def run(store: Store, folder: Path, job: FineTuningJob, *scripts: Script) -> FineTuningJob:
    """The job after it was run."""
    make_runner(store, folder, *scripts).run(job.id)
    return store.jobs.get(job.id)


def messages(store: Store, job: FineTuningJob) -> list[str]:
    """What a job has said, in order."""
    found, _ = store.events.page(schema.events.c.job_id == job.id, limit=100, ascending=True)
    return [event.message for event in found]


def step(number: int, **data: float) -> str:
    """An event that tells of a step."""
    numbers = {"step": number, "train_loss": 1.0, "train_mean_token_accuracy": 0.5, "eta_s": 5.0, **data}
    return json.dumps({"created_at": 100.0, "type": "metrics", "message": f"Step {number}", "data": numbers})


def checkpoint(number: int, epoch: int, **data: float) -> str:
    """An event that tells of an epoch's checkpoint."""
    numbers = {"step": number, "train_loss": 1.0, "checkpoint": f"checkpoints/epoch-{epoch}", "best_epoch": 1, **data}
    return json.dumps({"created_at": 100.0 + epoch, "message": f"Checkpoint created at step {number}", "data": numbers})


def succeed(folder: Path) -> tuple[list[str], int]:
    """Two steps, an epoch each."""
    numbers = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.0}
    (folder / "result.json").write_text(json.dumps({"hyperparameters": numbers, "trained_tokens": 99}))
    (folder / "results.csv").write_text("step,train_loss\n1,1.0\n")
    for name in ("adapter", "checkpoints/epoch-1", "checkpoints/epoch-2", "checkpoints/step-2"):
        (folder / name).mkdir(parents=True)
    return [step(1), checkpoint(1, 1), step(2), checkpoint(2, 2)], 0
