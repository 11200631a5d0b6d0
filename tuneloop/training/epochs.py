"""The epochs of a run: steps, what they are measured by, checkpoints, and when it is enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingSpec
from tuneloop.training.auto import Hyperparameters
from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Metrics
from tuneloop.training.records import EventLog
from tuneloop.training.schedule import scheduled
from tuneloop.training.tree import Ints, Unit, epoch_batches
from tuneloop.training.weights import Weights


class Interrupted(Exception):
    """The run was asked to stop; it has left a checkpoint to go on from."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    step: int = 0
    #: epoch, counted from 1, with the highest score
    best_epoch: int = 0
    #: the judge's; without one minus the validation loss, or the training loss where there is no validation file
    best_score: float = float("-inf")
    best_valid_loss: float | None = None
    #: losses of the steps of the epoch that is under way
    epoch_losses: list[float] = field(default_factory=list)
    train_loss: float | None = None
    #: spent by all processes that have worked on the run
    seconds: float = 0.0
    #: what was said before the first step
    estimated_seconds: float = 0.0
    estimated_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """All that the loop needs."""

    folder: Path
    spec: TrainingSpec
    events: EventLog
    checkpoints: Checkpoints
    units: Sequence[Unit]
    validation: Sequence[Unit]
    chosen: Hyperparameters
    learner: Learner
    weights: Weights
    #: asked after each step
    stop: Callable[[], bool]
    #: scores the model after each epoch, higher is better; None leaves that to the loss
    judge: Callable[[], float] | None = None
    seconds_between_checkpoints: float = 30.0

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.units) // self.chosen.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.chosen.n_epochs

    def batches(self, epoch: int) -> list[Ints]:
        """Indices of the units of each step of an epoch, counted from 1: the same however often they are asked for."""
        generator = np.random.default_rng([self.spec.seed % 2**64, epoch])
        return epoch_batches(self.units, self.chosen.batch_size, generator)


def resume(run: Run) -> Progress | None:
    """Take up what the last checkpoint has kept; None at the beginning of a run."""
    state = run.checkpoints.load()
    if state is None:
        return None
    run.learner.load_state(state["learner"])
    progress = Progress(**state["progress"])
    run.events.message(f"Resumed from the checkpoint at step {progress.step}/{run.total_steps}")
    return progress


def learn(run: Run, progress: Progress) -> None:
    """Take the steps that are left, keeping `progress`. Raises Interrupted when asked to stop."""
    began, began_at_step, spent = time.monotonic(), progress.step, progress.seconds
    saved = began
    for step, indices in _steps(run, progress):
        batch = [run.units[index] for index in indices]
        started = time.monotonic()
        rate = run.chosen.learning_rate * scheduled(step, run.total_steps, run.spec.schedule, run.spec.warmup)
        metrics = run.learner.step(batch, rate)
        if not math.isfinite(metrics.loss):
            message = f"the loss is {metrics.loss} at step {step}: choose a smaller learning_rate_multiplier"
            raise InvalidInput(message, param="learning_rate_multiplier")
        now = time.monotonic()
        progress.step, progress.train_loss = step, metrics.loss
        progress.epoch_losses.append(metrics.loss)
        data = {
            "step": step,
            "total_steps": run.total_steps,
            "epoch": -(-step // run.steps_per_epoch),
            **metrics.named("train"),
            "learning_rate": rate,
            "tokens_per_s": round(count_tokens(batch) / (now - started), 1),
            "eta_s": round((now - began) / (step - began_at_step) * (run.total_steps - step), 1),
        }
        if epoch_ends := step % run.steps_per_epoch == 0:
            _end_epoch(run, progress, data)
        else:
            run.events.metrics(_step_message(data), data)
        progress.seconds = spent + time.monotonic() - began
        stopping = run.stop()
        if epoch_ends or stopping or now - saved > run.seconds_between_checkpoints:
            run.checkpoints.save(step, {"learner": run.learner.state(), "progress": asdict(progress)})
            saved = now
        if stopping and not _is_over(run, progress):
            raise Interrupted
    if progress.step < run.total_steps:
        epochs = progress.step // run.steps_per_epoch
        run.events.message(
            f"Stopped after epoch {epochs} of {run.chosen.n_epochs}: the last {run.spec.patience} were no better than "
            f"epoch {progress.best_epoch}",
            {"step": progress.step, "epoch": epochs, "best_epoch": progress.best_epoch},
        )


def count_tokens(units: Sequence[Unit]) -> int:
    """Tokens of all rows, those that are shared counted each time."""
    return sum(len(row.tokens) for unit in units for row in unit.rows)


def _steps(run: Run, progress: Progress) -> Iterator[tuple[int, Ints]]:
    """Number, from 1 over all epochs, and unit indices of each step that is still to do."""
    while not _is_over(run, progress):
        epochs, done = divmod(progress.step, run.steps_per_epoch)
        for indices in run.batches(epochs + 1)[done:]:
            yield progress.step + 1, indices


def _is_over(run: Run, progress: Progress) -> bool:
    """Whether all steps are done, or the last `patience` epochs have not been better than one before."""
    epochs, within = divmod(progress.step, run.steps_per_epoch)
    waited = run.spec.patience is not None and within == 0 and epochs - progress.best_epoch >= run.spec.patience
    return progress.step == run.total_steps or waited


def _end_epoch(run: Run, progress: Progress, data: dict[str, Any]) -> None:
    epoch = data["epoch"]
    score = -sum(progress.epoch_losses) / len(progress.epoch_losses)
    progress.epoch_losses = []
    valid: Metrics | None = None
    if run.validation:
        valid = run.learner.evaluate(run.validation)
        score = -valid.loss
        data |= valid.named("valid")
    if run.judge is not None:
        data["valid_score"] = score = run.judge()
    run.events.metrics(_step_message(data), data)
    if _is_better(progress, score, valid):
        progress.best_epoch, progress.best_score = epoch, score
        progress.best_valid_loss = valid.loss if valid else None
    path = run.checkpoints.save_epoch(
        epoch, progress.best_epoch, lambda folder: run.weights.save(run.learner.model, folder)
    )
    run.events.message(
        f"Checkpoint created at step {data['step']} (epoch {epoch}/{run.chosen.n_epochs})",
        data | {"checkpoint": str(path.relative_to(run.folder)), "best_epoch": progress.best_epoch},
    )


def _is_better(progress: Progress, score: float, valid: Metrics | None) -> bool:
    """Whether the epoch is the best so far; among those of the same score it is the one with the lowest loss.

    A grader may give 0, or 1, for many epochs in which the model still gets surer of the right answers.
    """
    if score != progress.best_score or valid is None or progress.best_valid_loss is None:
        return score > progress.best_score
    return valid.loss < progress.best_valid_loss


def _step_message(data: dict[str, Any]) -> str:
    text = f"Step {data['step']}/{data['total_steps']}: training loss={data['train_loss']:.4f}"
    for name, words in (("valid_loss", "validation loss"), ("valid_score", "validation score")):
        if name in data:
            text += f", {words}={data[name]:.4f}"
    return text
