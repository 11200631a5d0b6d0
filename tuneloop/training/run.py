"""A training run: from the files of a folder to an adapter in it (protocols.TrainingSpec says which files)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch

from tuneloop.chat import Chat, load_chat
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import FilePurpose, read_examples
from tuneloop.protocols import TrainingResult, TrainingSpec
from tuneloop.training.auto import Hyperparameters, choose, scheduled
from tuneloop.training.checkpoints import Checkpoints, write_folder
from tuneloop.training.export import export_adapter
from tuneloop.training.lora import save_adapter
from tuneloop.training.machine import physical_cores, seconds_per_token, token_budget
from tuneloop.training.records import EventLog, write_results_csv
from tuneloop.training.sft import Learner, Metrics, best_device, best_dtype, load_base
from tuneloop.training.tree import Ints, TokenRow, epoch_batches, shared_prefixes, sort_rows

_SECONDS_BETWEEN_CHECKPOINTS = 30.0


class Interrupted(Exception):
    """The run was asked to stop; it has left a checkpoint to go on from."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    step: int = 0
    #: epoch, counted from 1, with the lowest validation loss (training loss where there is no validation file)
    best_epoch: int = 0
    best_loss: float = float("inf")
    best_valid_loss: float | None = None
    #: losses of the steps of the epoch that is under way
    epoch_losses: list[float] = field(default_factory=list)
    train_loss: float | None = None
    #: spent by all processes that have worked on the run
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """All that the loop needs."""

    folder: Path
    spec: TrainingSpec
    events: EventLog
    checkpoints: Checkpoints
    rows: Sequence[TokenRow]
    validation: Sequence[TokenRow]
    chosen: Hyperparameters
    learner: Learner
    stop: Callable[[], bool]

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // self.chosen.batch_size)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.chosen.n_epochs


def read_spec(folder: Path) -> TrainingSpec:
    """The spec.json of a folder. Raises InvalidInput."""
    try:
        return TrainingSpec(**orjson.loads((folder / "spec.json").read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise InvalidInput(f"{folder / 'spec.json'} is no training spec: {error}") from None


def train(folder: Path, events: EventLog, stop: Callable[[], bool]) -> TrainingResult:
    """Do what spec.json says, going on from the last checkpoint, and leave `adapter/` and `results.csv`.

    `stop` is asked after each step. Raises InvalidInput when data or settings are to blame, Interrupted when stopped.
    """
    # 1) Look at the data before anything expensive.
    spec = read_spec(folder)
    model_dir = Path(spec.model)
    chat = load_chat(model_dir)
    rows = _read_rows(chat, Path(spec.training_file), "training_file")
    validation = _read_rows(chat, Path(spec.validation_file), "validation_file") if spec.validation_file else []
    chosen = choose(spec, len(rows))

    # 2) Load the model and what an earlier process has learnt.
    torch.set_num_threads(spec.threads or physical_cores())
    device = best_device()
    model = load_base(model_dir, device, best_dtype(device))
    speed = seconds_per_token(model)
    adapter = Path(spec.adapter) if spec.adapter else None
    learner = Learner(model, seed=spec.seed, budget=token_budget(model), adapter=adapter)
    checkpoints = Checkpoints(folder / "checkpoints")
    run = Run(
        folder=folder,
        spec=spec,
        events=events,
        checkpoints=checkpoints,
        rows=rows,
        validation=validation,
        chosen=chosen,
        learner=learner,
        stop=stop,
    )
    progress = _resume(run) or _start(run, speed)

    # 3) Learn.
    _learn(run, progress)

    # 4) Leave the best adapter and the numbers.
    write_folder(folder / "adapter", lambda path: _finish_adapter(run, progress.best_epoch, path))
    write_results_csv(folder / "results.csv", folder / "events.jsonl")
    return TrainingResult(
        hyperparameters=asdict(chosen),
        trained_tokens=chosen.n_epochs * sum(len(row.tokens) for row in rows),
        steps=run.total_steps,
        train_loss=progress.train_loss,
        valid_loss=progress.best_valid_loss,
        seconds=progress.seconds,
    )


def _read_rows(chat: Chat, path: Path, param: FilePurpose) -> list[TokenRow]:
    try:
        rendered = [chat.render(row) for row in read_examples(path, param)]
    except InvalidData as error:
        if error.param is None:
            error.param, error.code = param, f"invalid_{param}"
        raise
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}", param=param) from None
    rows = [TokenRow(np.array(row.token_ids), np.array(row.weights, dtype=np.float32)) for row in rendered]
    if not any(row.weights[1:].any() for row in rows):
        raise InvalidData(f"{path.name}: every message has weight 0, there is nothing to learn", param=param)
    return rows


def _resume(run: Run) -> Progress | None:
    state = run.checkpoints.load()
    if state is None:
        return None
    run.learner.load_state(state["learner"])
    progress = Progress(**state["progress"])
    run.events.message(f"Resumed from the checkpoint at step {progress.step}/{run.total_steps}")
    return progress


def _start(run: Run, speed: float) -> Progress:
    chosen, rows = run.chosen, run.rows
    tokens = sum(len(row.tokens) for row in rows)
    distinct = sum(_distinct_tokens([rows[index] for index in batch]) for batch in _batches(run, epoch=1))
    data = {
        "rows": len(rows),
        "validation_rows": len(run.validation),
        "tokens": tokens,
        "distinct_tokens": distinct,
        "target_tokens": sum(int(np.count_nonzero(row.weights[1:])) for row in rows),
        "total_steps": run.total_steps,
        "estimated_seconds": round(chosen.n_epochs * distinct * speed, 1),
        "token_budget": run.learner.budget,
        **asdict(chosen),
        "learning_rate": chosen.learning_rate,
    }
    run.events.message(
        f"Training on {len(rows)} examples of {tokens} tokens, {distinct} with prefixes shared in each step: "
        f"{run.total_steps} steps (n_epochs={chosen.n_epochs}, batch_size={chosen.batch_size}, "
        f"learning_rate_multiplier={chosen.learning_rate_multiplier:g}), "
        f"about {max(1.0, data['estimated_seconds'] / 60):.0f} min",
        data,
    )
    if run.validation:
        metrics = run.learner.evaluate(run.validation)
        run.events.message(
            f"Before training: validation loss={metrics.loss:.4f}",
            {"step": 0, "valid_loss": metrics.loss, "valid_mean_token_accuracy": metrics.accuracy},
        )
    return Progress()


def _learn(run: Run, progress: Progress) -> None:
    began, began_at_step, spent = time.monotonic(), progress.step, progress.seconds
    saved = began
    for step, indices in _steps(run, progress.step):
        batch = [run.rows[index] for index in indices]
        started = time.monotonic()
        rate = run.chosen.learning_rate * scheduled(step, run.total_steps)
        metrics = run.learner.step(batch, rate)
        now = time.monotonic()
        progress.step, progress.train_loss = step, metrics.loss
        progress.epoch_losses.append(metrics.loss)
        data = {
            "step": step,
            "total_steps": run.total_steps,
            "epoch": -(-step // run.steps_per_epoch),
            "train_loss": metrics.loss,
            "train_mean_token_accuracy": metrics.accuracy,
            "learning_rate": rate,
            "tokens_per_s": round(sum(len(row.tokens) for row in batch) / (now - started), 1),
            "eta_s": round((now - began) / (step - began_at_step) * (run.total_steps - step), 1),
        }
        if epoch_ends := step % run.steps_per_epoch == 0:
            _end_epoch(run, progress, data)
        else:
            run.events.metrics(_step_message(data), data)
        progress.seconds = spent + time.monotonic() - began
        stopping = run.stop()
        if epoch_ends or stopping or now - saved > _SECONDS_BETWEEN_CHECKPOINTS:
            run.checkpoints.save(step, {"learner": run.learner.state(), "progress": asdict(progress)})
            saved = now
        if stopping and step < run.total_steps:
            raise Interrupted


def _end_epoch(run: Run, progress: Progress, data: dict[str, Any]) -> None:
    epoch = data["epoch"]
    loss = sum(progress.epoch_losses) / len(progress.epoch_losses)
    progress.epoch_losses = []
    valid: Metrics | None = None
    if run.validation:
        valid = run.learner.evaluate(run.validation)
        loss = valid.loss
        data |= {"valid_loss": valid.loss, "valid_mean_token_accuracy": valid.accuracy}
    run.events.metrics(_step_message(data), data)
    if loss < progress.best_loss:
        progress.best_epoch, progress.best_loss = epoch, loss
        progress.best_valid_loss = valid.loss if valid else None
    path = run.checkpoints.save_epoch(epoch, progress.best_epoch, lambda folder: _save_adapter(run, folder))
    run.events.message(
        f"Checkpoint created at step {data['step']} (epoch {epoch}/{run.chosen.n_epochs})",
        data | {"checkpoint": str(path.relative_to(run.folder)), "best_epoch": progress.best_epoch},
    )


def _steps(run: Run, done: int) -> Iterator[tuple[int, Ints]]:
    """Number, from 1 over all epochs, and row indices of each step that is still to do."""
    step = 0
    for epoch in range(1, run.chosen.n_epochs + 1):
        if step + run.steps_per_epoch <= done:
            step += run.steps_per_epoch
            continue
        for indices in _batches(run, epoch):
            step += 1
            if step > done:
                yield step, indices


def _batches(run: Run, epoch: int) -> list[Ints]:
    generator = np.random.default_rng([run.spec.seed, epoch])
    return epoch_batches(run.rows, run.chosen.batch_size, generator)


def _distinct_tokens(rows: Sequence[TokenRow]) -> int:
    ordered = sort_rows(rows)
    return sum(len(row.tokens) for row in ordered) - int(shared_prefixes(ordered).sum())


def _step_message(data: dict[str, Any]) -> str:
    text = f"Step {data['step']}/{data['total_steps']}: training loss={data['train_loss']:.4f}"
    return f"{text}, validation loss={data['valid_loss']:.4f}" if "valid_loss" in data else text


def _save_adapter(run: Run, folder: Path) -> None:
    save_adapter(run.learner.model, folder, base=run.spec.model)


def _finish_adapter(run: Run, epoch: int, folder: Path) -> None:
    shutil.copytree(run.checkpoints.epoch(epoch), folder, dirs_exist_ok=True)
    export_adapter(folder, Path(run.spec.model))
