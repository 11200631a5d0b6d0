"""The parts of a job's page that are drawn anew when they change: epochs, what it was made with, what it has said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from nicegui import ui

from tuneloop.pages import text
from tuneloop.reports import numbers
from tuneloop.types import Checkpoint, Event, FineTuningJob
from tuneloop.ui import job_words, parts, tables
from tuneloop.ui.job_story import Look
from tuneloop.ui.tables import Cell
from tuneloop.ui.tune_fields import GROUPS, METHODS

_NUMBERS = {
    "train_mean_reward": "Training reward",
    "valid_mean_reward": "Validation reward",
    "train_loss": "Training loss",
    "valid_loss": "Validation loss",
    "valid_score": "Validation score",
}
_LABELS = {one.name: one.label for group in GROUPS.values() for one in group} | {"grader": "Best epoch by"}


class Epochs(NamedTuple):
    """What is known of each look, which of them was the best, and the models that are left."""

    looks: tuple[Look, ...]
    best: int | None
    #: by step
    models: Mapping[int, str]
    #: what the job has made, if that is still there
    made: str | None


class Term(NamedTuple):
    """A name, what it is, and where that leads."""

    name: str
    said: str
    to: str | None = None
    below: str = ""


def models_of(checkpoints: Sequence[Checkpoint]) -> dict[int, str]:
    """The models of checkpoints, by their steps."""
    return {checkpoint.step: checkpoint.model for checkpoint in checkpoints}


def draw_epochs(epochs: Epochs) -> None:
    """A row for each look at the validation rows, the last first."""
    if not epochs.looks:
        return
    shown = [name for name in _NUMBERS if any(name in look.numbers for look in epochs.looks)]
    headers = ["Epoch", "Model", "Step", *(_NUMBERS[name] for name in shown)]
    rows = [_epoch(look, epochs, shown) for look in reversed(epochs.looks)]
    with parts.card("stack job-epochs"):
        parts.heading("Checkpoints", "A checkpoint is left after each epoch. Each of the last ones is a model.")
        tables.table(headers, rows, label="Checkpoints", numbers=range(2, 3 + len(shown)))


def _epoch(look: Look, epochs: Epochs, shown: Sequence[str]) -> list[Cell | str]:
    is_best = look.number == epochs.best
    named = text(look.epoch or look.number) + (' <span class="badge good">best</span>' if is_best else "")
    model = epochs.made if is_best and epochs.made else epochs.models.get(look.step)
    values = [numbers.shown(look.numbers.get(name), ".4f") for name in shown]
    cell = Cell(said=model, to=job_words.model_path(model)) if model else ""
    return [Cell(markup=named), cell, f"{look.step:,}", *values]


def terms(job: FineTuningJob, files: Mapping[str, str]) -> tuple[Term, ...]:
    """What a job was made with; `files` are the names of files by their ids."""
    base = job.base if job.base == job.model else f"{job.model} ({job.base})"
    found = [
        Term("Data set", job.metadata.get("dataset", "none: made of files"), job_words.dataset_path(job)),
        Term("Model", base, job_words.model_path(job.base)),
        Term("Learns from", METHODS[job.method["type"]][0].lower() + f" ({job.method['type']})"),
    ]
    if prompt := job.metadata.get("prompt"):
        found.append(Term("Instructions", prompt, f"/playground?prompt={prompt}"))
    found += [Term(_LABELS.get(name, name), _value(value)) for name, value in job.hyperparameters.items()]
    found.append(Term("Seed", str(job.seed)))
    for name, file in (("Training file", job.training_file), ("Validation file", job.validation_file)):
        if file:
            found.append(Term(name, files.get(file, "deleted"), below=file))
    found.append(Term("Id", job.id))
    moments = (("Made", job.created_at), ("Begun", job.started_at), ("Ended", job.finished_at))
    return (*found, *(Term(name, _moment(at)) for name, at in moments if at))


def draw_terms(found: Sequence[Term]) -> None:
    """The same as a list."""
    with parts.tag("dl", "job-terms"):
        for term in found:
            parts.text("dt", term.name)
            with parts.tag("dd"):
                if term.to:
                    parts.link(term.said, term.to)
                else:
                    parts.text("span", term.said)
                if term.below:
                    parts.text("small", term.below, "dim")


def draw_messages(messages: Sequence[Event]) -> None:
    """What a job has said, newest first."""
    lines = "".join(_message(event) for event in reversed(messages))
    ui.html(f'<ol class="job-log" tabindex="0" role="log" aria-label="Events">{lines}</ol>', sanitize=False)


def _message(event: Event) -> str:
    at = datetime.fromtimestamp(event.created_at, UTC)
    tone = {"error": ' class="bad"', "warn": ' class="warn"'}.get(event.level, "")
    return (
        f'<li{tone}><time datetime="{at.isoformat()}" title="{at:%Y-%m-%d %H:%M:%S} UTC">{at:%H:%M:%S}</time>'
        f"<span>{text(event.message)}</span></li>"
    )


def _value(value: Any) -> str:
    if value == "auto":
        return "chosen by the run"
    if isinstance(value, Mapping):
        return str(value.get("name") or value.get("type"))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
