"""The epochs of a run: steps, what they are measured by, checkpoints, and when it is enough."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import nn

from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingSpec
from tuneloop.training.auto import Hyperparameters
from tuneloop.training.checkpoints import Checkpoints
from tuneloop.training.decoder import Decoder
from tuneloop.training.objectives import Metrics
from tuneloop.training.records import EventLog
from tuneloop.training.schedule import scheduled
from tuneloop.training.tree import Ints, Unit, epoch_batches
from tuneloop.training.weights import Weights

#: what the message of a step says beside the training loss, in OpenAI's words and then ours
_SAID = {
    "train_mean_reward": "train mean reward",
    "valid_loss": "validation loss",
    "full_valid_loss": "full validation loss",
    "valid_mean_reward": "validation mean reward",
    "full_valid_mean_reward": "full validation mean reward",
    "full_valid_mean_parse_error": "full validation mean parse error",
    "valid_score": "validation score",
}


class Interrupted(Exception):
    """The run was asked to stop; it has left a checkpoint to go on from."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    step: int = 0
    #: look at what was learnt, counted from 1, with the highest score; there is one at the end of each epoch, if the
    #: spec does not say otherwise
    best_epoch: int = 0
    #: the judge's, or the mean reward; without them minus the validation loss, or the training loss where there is no
    #: validation file
    best_score: float = float("-inf")
    best_valid_loss: float | None = None
    #: losses of the steps since the last look, or minus their mean rewards
    epoch_losses: list[float] = field(default_factory=list)
    train_loss: float | None = None
    #: in the rows that were learnt from, those that they share counted each time
    tokens: int = 0
    #: spent by all processes that have worked on the run
    seconds: float = 0.0
    #: what was said before the first step
    estimated_seconds: float = 0.0
    estimated_bytes: int = 0


class Learns(Protocol):
    """A model that learns from units: a Learner, or one that makes of them what it learns from."""

    @property
    def model(self) -> Decoder:
        """The whole model."""
        ...

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What is trained of it."""
        ...

    def step(self, units: Sequence[Any], learning_rate: float) -> Metrics:
        """One step on all `units`."""
        ...

    def evaluate(self, units: Sequence[Any]) -> Metrics:
        """How good it is at `units`."""
        ...

    def state(self) -> dict[str, Any]:
        """What a run goes on from."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what state() returned."""
        ...


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
    learner: Learns
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
        progress.epoch_losses.append(-metrics.score)
        progress.tokens += (tokens := metrics.tokens or count_tokens(batch))
        data = {
            "step": step,
            "total_steps": run.total_steps,
            "epoch": -(-step // run.steps_per_epoch),
            **metrics.named("train"),
            "learning_rate": rate,
            "tokens_per_s": round(tokens / (now - started), 1),
            "eta_s": round((now - began) / (step - began_at_step) * (run.total_steps - step), 1),
        }
        if looks := step % run.chosen.eval_interval == 0 or step == run.total_steps:
            _look(run, progress, data)
        else:
            run.events.metrics(_step_message(data), data)
        progress.seconds = spent + time.monotonic() - began
        stopping = run.stop()
        if looks or stopping or now - saved > run.seconds_between_checkpoints:
            run.checkpoints.save(step, {"learner": run.learner.state(), "progress": asdict(progress)})
            saved = now
        if stopping and not _is_over(run, progress):
            raise Interrupted
    if progress.step < run.total_steps:
        interval = run.chosen.eval_interval
        what, number = "epoch" if interval == run.steps_per_epoch else "look", progress.step // interval
        run.events.message(
            f"Stopped after {what} {number} of {-(-run.total_steps // interval)}: the last {run.spec.patience} were no "
            f"better than {what} {progress.best_epoch}",
            {"step": progress.step, what: number, f"best_{what}": progress.best_epoch},
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
    """Whether all steps are done, or the last `patience` epochs (looks) have not been better than one before."""
    looks, within = divmod(progress.step, run.chosen.eval_interval)
    waited = run.spec.patience is not None and within == 0 and looks - progress.best_epoch >= run.spec.patience
    return progress.step == run.total_steps or waited


def _look(run: Run, progress: Progress, data: dict[str, Any]) -> None:
    """Measure what was learnt, and leave a checkpoint."""
    number = -(-data["step"] // run.chosen.eval_interval)
    score = -sum(progress.epoch_losses) / len(progress.epoch_losses)
    progress.epoch_losses = []
    valid: Metrics | None = None
    if run.validation:
        valid = run.learner.evaluate(run.validation)
        score = valid.score
        # OpenAI measures a sample of the validation file now and then, and at the end of an epoch all of it.
        data |= valid.named("valid") | valid.named("full_valid")
    if run.judge is not None:
        data["valid_score"] = score = run.judge()
    run.events.metrics(_step_message(data), data)
    if _is_better(progress, score, valid):
        progress.best_epoch, progress.best_score = number, score
        progress.best_valid_loss = valid.loss if valid else None
    path = run.checkpoints.save_epoch(
        number, progress.best_epoch, lambda folder: run.weights.save(run.learner.model, folder)
    )
    run.events.message(
        f"Checkpoint created at step {data['step']}",
        data | {"checkpoint": str(path.relative_to(run.folder)), "best_epoch": progress.best_epoch},
    )


def _is_better(progress: Progress, score: float, valid: Metrics | None) -> bool:
    """Whether the look is the best so far; among those of the same score it is the one with the lowest loss, if there
    is one.

    A grader may give 0, or 1, for many epochs in which the model still gets surer of the right answers.
    """
    if score != progress.best_score or valid is None or progress.best_valid_loss is None:
        return score > progress.best_score
    return valid.loss < progress.best_valid_loss


def _step_message(data: dict[str, Any]) -> str:
    return f"Step {data['step']}/{data['total_steps']}: training loss={data['train_loss']:.4f}{said(data)}"


def said(data: Mapping[str, Any]) -> str:
    """What was measured, in words, each after a comma."""
    return "".join(f", {words}={data[name]:.4f}" for name, words in _SAID.items() if name in data)
