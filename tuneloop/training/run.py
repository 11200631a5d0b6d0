"""A training run: from the files of a folder to an adapter in it (protocols.TrainingSpec says which files)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuneloop.chat import Chat, load_chat
from tuneloop.chat_templates import TEMPLATE_FILE, read_template
from tuneloop.protocols import TrainingResult, TrainingSpec
from tuneloop.training.auto import Hyperparameters, choose
from tuneloop.training.checkpoints import write_folder
from tuneloop.training.decoder import load_decoder
from tuneloop.training.distributed import ALONE, Team
from tuneloop.training.epochs import Interrupted, Progress, Run, count_tokens, learn, resume, said
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
from tuneloop.training.objectives import Dpo, Grpo, Kto, Objective, choose_objective
from tuneloop.training.records import EventLog, write_results_csv
from tuneloop.training.references import with_reference
from tuneloop.training.reinforcement import Explorer, foresee, make_explorer
from tuneloop.training.rollouts import answer_length
from tuneloop.training.rows import read_units
from tuneloop.training.spec import read_spec
from tuneloop.training.tree import Unit
from tuneloop.training.weights import Weights, choose_weights
from tuneloop.types import Json


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
    learner = _load(spec, weights, choose_objective(spec, units), team)
    judge = None
    if spec.grader:
        judge = team.following(make_judge(spec.grader, chat, validation, learner, seed=spec.seed, events=events))
    explorer = None
    if spec.method == "reinforcement":
        explorer = make_explorer(folder, spec, learner, chat, events, len(validation))
    elif spec.method != "supervised":
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
        learner=explorer or learner,
        weights=weights,
        stop=lambda: team.any(stop()),
        judge=judge,
    )
    told = _told(chosen, learner, explorer)
    progress = resume(run) or _start(run, learner, explorer, told)
    learn(run, progress)
    _tell_needs(run, progress)
    if explorer is not None and not explorer.taught:
        events.message("Nothing was learnt: in each step all answers to a prompt were worth the same", level="warn")

    # 4) Leave the best adapter, those of the last epochs, and the numbers.
    if team.leads:
        _finish(run)
        best = run.checkpoints.epoch(progress.best_epoch)
        write_folder(folder / "adapter", lambda path: shutil.copytree(best, path, dirs_exist_ok=True))
        write_results_csv(folder / "results.csv", folder / "events.jsonl")
    return TrainingResult(
        hyperparameters=told,
        trained_tokens=progress.tokens,
        steps=progress.step,
        train_loss=progress.train_loss,
        valid_loss=progress.best_valid_loss,
        seconds=progress.seconds,
    )


def _read_data(spec: TrainingSpec, chat: Chat, events: EventLog) -> tuple[Sequence[Unit], Sequence[Unit]]:
    """What is trained on, and what it is measured on."""
    draws = spec.method == "reinforcement"
    for fault in () if draws else chat.faults():
        events.message(f"Cannot be learnt with this model: {fault}", level="warn")
    read = partial(read_units, chat, spec.method, seed=spec.seed, room=answer_length(spec) if draws else 0)
    units = read(path=Path(spec.training_file), param="training_file")
    if spec.validation_file is None:
        return units, ()
    return units, read(path=Path(spec.validation_file), param="validation_file")


def _load(spec: TrainingSpec, weights: Weights, objective: Objective, team: Team) -> Learner:
    """The base model, ready to learn."""
    keep_freed_memory()
    torch.set_num_threads(spec.threads or max(1, physical_cores() // team.local_size))
    device = best_device()
    dtype = torch.bfloat16 if team.any(best_dtype(device) == torch.bfloat16) else torch.float32
    model = load_decoder(Path(spec.model), device, dtype, quantize=spec.quantize, place=team.place)
    return Learner(
        model,
        weights,
        budget=team.least(token_budget(model)),
        objective=objective,
        weight_decay=spec.weight_decay,
        team=team,
    )


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


def _start(run: Run, learner: Learner, explorer: Explorer | None, told: Mapping[str, Json]) -> Progress:
    """Say what is about to be done, and how long it will take."""
    chosen, units = run.chosen, run.units
    seconds_to_look = _evaluate(run)
    batches = [[units[index] for index in batch] for batch in run.batches(epoch=1)]
    if explorer is None:
        needs = estimate(learner, batches, n_epochs=chosen.n_epochs, seconds_to_evaluate=seconds_to_look)
        what = (
            f"{len(units)} examples of {count_tokens(units)} tokens, {needs.distinct_tokens} with prefixes shared in "
            "each step"
        )
    else:
        looks = -(-run.total_steps // chosen.eval_interval)
        needs = foresee(explorer, batches[0], steps=run.total_steps, seconds_elsewhere=looks * seconds_to_look)
        what = f"{len(units)} prompts, with {explorer.exploration.samples} answers drawn to each prompt of a step"
    data = {
        "rows": len(units),
        "validation_rows": len(run.validation),
        "tokens": count_tokens(units),
        "distinct_tokens": needs.distinct_tokens,
        "target_tokens": sum(int(np.count_nonzero(row.weights[1:])) for unit in units for row in unit.rows),
        "total_steps": run.total_steps,
        "estimated_seconds": round(needs.seconds, 1),
        "estimated_bytes": needs.bytes,
        "token_budget": learner.budget,
        **told,
        "learning_rate": chosen.learning_rate,
    }
    run.events.message(
        f"Training on {what}: {run.total_steps} steps (n_epochs={chosen.n_epochs}, batch_size={chosen.batch_size}, "
        f"learning_rate_multiplier={chosen.learning_rate_multiplier:g}), "
        f"about {needs.seconds / 60:.1f} min and {needs.bytes / 2**30:.1f} GiB of memory",
        data,
    )
    return Progress(estimated_seconds=needs.seconds, estimated_bytes=needs.bytes)


def _evaluate(run: Run) -> float:
    """Look at the model before training; returns the seconds it takes."""
    began = time.monotonic()
    data: dict[str, float] = {"step": 0}
    if run.validation:
        data |= run.learner.evaluate(run.validation).named("valid")
    if run.judge is not None:
        data["valid_score"] = run.judge()
    if found := said(data).removeprefix(", "):
        run.events.message(f"Before training: {found}", data)
    return time.monotonic() - began


def _tell_needs(run: Run, progress: Progress) -> None:
    """Beside what was estimated: what the run has taken."""
    used = peak_memory(run.learner.model.head.device)
    run.events.message(
        f"Took {progress.seconds / 60:.1f} min (estimated {progress.estimated_seconds / 60:.1f}) and "
        f"{used / 2**30:.1f} GiB of memory (estimated {progress.estimated_bytes / 2**30:.1f})",
        {"seconds": progress.seconds, "bytes": used},
    )


def _told(chosen: Hyperparameters, learner: Learner, explorer: Explorer | None) -> dict[str, Json]:
    """The numbers that the run uses."""
    objective = learner.objective
    beta = {"beta": objective.beta} if isinstance(objective, Dpo | Kto | Grpo) else {}
    drawing = {"eval_interval": chosen.eval_interval, **explorer.exploration.told()} if explorer else {}
    return chosen.told() | beta | drawing


def _finish(run: Run) -> None:
    """Make what is left of each epoch a model that can be served."""
    # With the template it was trained with, which may be a repaired version of its base's.
    template = read_template(Path(run.spec.model)).source
    for folder in run.checkpoints.epochs():
        (folder / TEMPLATE_FILE).write_text(template, encoding="utf-8")
        run.weights.finish(folder)
