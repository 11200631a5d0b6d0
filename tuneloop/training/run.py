"""A training run: from the files of a folder to an adapter in it (protocols.TrainingSpec says which files)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuneloop.chat import Chat, load_chat
from tuneloop.chat_templates import TEMPLATE_FILE, read_template
from tuneloop.protocols import TrainingResult, TrainingSpec
from tuneloop.training.auto import choose
from tuneloop.training.checkpoints import write_folder
from tuneloop.training.decoder import load_decoder
from tuneloop.training.distributed import ALONE, Team
from tuneloop.training.epochs import Interrupted, Progress, Run, count_tokens, learn, resume
from tuneloop.training.estimate import estimate
from tuneloop.training.judging import make_judge
from tuneloop.training.learner import Learner
from tuneloop.training.machine import (
    best_device,
    best_dtype,
    keep_freed_memory,
    peak_memory,
    physical_cores,
    token_budget,
)
from tuneloop.training.objectives import Dpo, Kto, choose_objective
from tuneloop.training.records import EventLog, write_results_csv
from tuneloop.training.references import with_reference
from tuneloop.training.rows import read_units
from tuneloop.training.spec import read_spec
from tuneloop.training.tree import Unit
from tuneloop.training.weights import choose_weights


def train(folder: Path, events: EventLog, stop: Callable[[], bool], team: Team = ALONE) -> TrainingResult:
    """Do what spec.json says, going on from the last checkpoint, and leave `adapter/` and `results.csv`.

    `stop` is asked after each step; all of `team` do the same. Raises InvalidInput when data or settings are to blame,
    Interrupted when stopped.
    """
    # 1) Look at the data before anything expensive.
    spec = read_spec(folder)
    chat = load_chat(Path(spec.model))
    units, validation = _read_data(spec, chat, events)
    chosen = choose(spec, len(units))
    weights = choose_weights(spec, chosen.lora_rank, chosen.lora_alpha)

    # 2) Load the model, and what it is compared with.
    keep_freed_memory()
    torch.set_num_threads(spec.threads or max(1, physical_cores() // team.local_size))
    device = best_device()
    dtype = torch.bfloat16 if team.any(best_dtype(device) == torch.bfloat16) else torch.float32
    model = load_decoder(Path(spec.model), device, dtype, quantize=spec.quantize, place=team.place)
    learner = Learner(
        model,
        weights,
        budget=team.least(token_budget(model)),
        objective=choose_objective(spec, units),
        weight_decay=spec.weight_decay,
        team=team,
    )
    judge = None
    if spec.grader:
        judge = team.following(make_judge(spec.grader, chat, validation, learner, seed=spec.seed, events=events))
    if spec.method != "supervised":
        units, validation = _with_references(folder, learner, units, validation, stop)

    # 3) Learn, on top of what an earlier process has learnt.
    run = Run(
        folder=folder,
        spec=spec,
        events=events,
        checkpoints=team.checkpoints(folder / "checkpoints"),
        units=units,
        validation=validation,
        chosen=chosen,
        learner=learner,
        weights=weights,
        stop=lambda: team.any(stop()),
        judge=judge,
    )
    progress = resume(run) or _start(run)
    learn(run, progress)
    _tell_needs(run, progress)

    # 4) Leave the best adapter and the numbers.
    if team.leads:
        write_folder(folder / "adapter", lambda path: _finish(run, progress.best_epoch, path))
        write_results_csv(folder / "results.csv", folder / "events.jsonl")
    return TrainingResult(
        hyperparameters=_hyperparameters(run),
        trained_tokens=progress.step // run.steps_per_epoch * count_tokens(units),
        steps=progress.step,
        train_loss=progress.train_loss,
        valid_loss=progress.best_valid_loss,
        seconds=progress.seconds,
    )


def _read_data(spec: TrainingSpec, chat: Chat, events: EventLog) -> tuple[Sequence[Unit], Sequence[Unit]]:
    """What is trained on, and what it is measured on."""
    for fault in chat.faults():
        events.message(f"Cannot be learnt with this model: {fault}", level="warn")
    units = read_units(chat, spec.method, Path(spec.training_file), "training_file", spec.seed)
    if spec.validation_file is None:
        return units, ()
    return units, read_units(chat, spec.method, Path(spec.validation_file), "validation_file", spec.seed)


def _with_references(
    folder: Path, learner: Learner, units: Sequence[Any], validation: Sequence[Any], stop: Callable[[], bool]
) -> tuple[Sequence[Unit], Sequence[Unit]]:
    def pause() -> None:
        # A team goes on until the next time that all of it asks.
        if not learner.shares and stop():
            raise Interrupted

    # The learner still is the model as the run found it: what has been learnt since is loaded later.
    path, keep = folder / "reference.json", learner.team.leads
    pairs = with_reference(path, learner, [*units, *validation], pause, keep=keep)
    return pairs[: len(units)], pairs[len(units) :]


def _start(run: Run) -> Progress:
    """Say what is about to be done, and how long it will take."""
    chosen, units = run.chosen, run.units
    seconds_to_evaluate = _evaluate(run)
    batches = [[units[index] for index in batch] for batch in run.batches(epoch=1)]
    needs = estimate(run.learner, batches, n_epochs=chosen.n_epochs, seconds_to_evaluate=seconds_to_evaluate)
    tokens = count_tokens(units)
    data = {
        "rows": len(units),
        "validation_rows": len(run.validation),
        "tokens": tokens,
        "distinct_tokens": needs.distinct_tokens,
        "target_tokens": sum(int(np.count_nonzero(row.weights[1:])) for unit in units for row in unit.rows),
        "total_steps": run.total_steps,
        "estimated_seconds": round(needs.seconds, 1),
        "estimated_bytes": needs.bytes,
        "token_budget": run.learner.budget,
        **_hyperparameters(run),
        "learning_rate": chosen.learning_rate,
    }
    run.events.message(
        f"Training on {len(units)} examples of {tokens} tokens, {needs.distinct_tokens} with prefixes shared in each "
        f"step: {run.total_steps} steps (n_epochs={chosen.n_epochs}, batch_size={chosen.batch_size}, "
        f"learning_rate_multiplier={chosen.learning_rate_multiplier:g}), "
        f"about {needs.seconds / 60:.1f} min and {needs.bytes / 2**30:.1f} GiB of memory",
        data,
    )
    return Progress(estimated_seconds=needs.seconds, estimated_bytes=needs.bytes)


def _evaluate(run: Run) -> float:
    """Look at the model before training; returns the seconds it takes."""
    began = time.monotonic()
    said: list[str] = []
    data: dict[str, float] = {"step": 0}
    if run.validation:
        metrics = run.learner.evaluate(run.validation)
        data |= metrics.named("valid")
        said.append(f"validation loss={metrics.loss:.4f}")
    if run.judge is not None:
        data["valid_score"] = run.judge()
        said.append(f"validation score={data['valid_score']:.4f}")
    if said:
        run.events.message(f"Before training: {', '.join(said)}", data)
    return time.monotonic() - began


def _tell_needs(run: Run, progress: Progress) -> None:
    """Beside what was estimated: what the run has taken."""
    used = peak_memory(run.learner.head.device)
    run.events.message(
        f"Took {progress.seconds / 60:.1f} min (estimated {progress.estimated_seconds / 60:.1f}) and "
        f"{used / 2**30:.1f} GiB of memory (estimated {progress.estimated_bytes / 2**30:.1f})",
        {"seconds": progress.seconds, "bytes": used},
    )


def _hyperparameters(run: Run) -> dict[str, Any]:
    objective = run.learner.objective
    return run.chosen.told() | ({"beta": objective.beta} if isinstance(objective, Dpo | Kto) else {})


def _finish(run: Run, epoch: int, folder: Path) -> None:
    shutil.copytree(run.checkpoints.epoch(epoch), folder, dirs_exist_ok=True)
    # Served with the template it was trained with, which may be a repaired version of its base's.
    template = read_template(Path(run.spec.model)).source
    (folder / TEMPLATE_FILE).write_text(template, encoding="utf-8")
    run.weights.finish(folder)
