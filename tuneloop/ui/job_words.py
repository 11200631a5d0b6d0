"""Jobs in words: their state, how far they are, and the way out where one has failed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from tuneloop import estimates
from tuneloop.types import FINAL_STATUSES, FineTuningJob
from tuneloop.ui.parts import Tone
from tuneloop.ui.tune_wish import again

_TONES: Mapping[str, Tone] = {
    "validating_files": "plain",
    "queued": "plain",
    "paused": "warn",
    "running": "accent",
    "succeeded": "good",
    "failed": "bad",
    "cancelled": "plain",
}


class Way(NamedTuple):
    """Somewhere to go, and why."""

    said: str
    to: str


def state(job: FineTuningJob) -> str:
    """One word: the status, or that it is paused."""
    return "paused" if job.paused_at else job.status


def shown_state(job: FineTuningJob) -> tuple[str, Tone]:
    """The same for a badge."""
    word = state(job)
    return word.replace("_", " "), _TONES[word]


def title(job: FineTuningJob) -> str:
    """What a job is called: the name that its model gets."""
    return job.suffix or job.metadata.get("dataset") or job.id


def doing(job: FineTuningJob, now: Mapping[str, Any]) -> str:
    """What is going on, in a sentence; `now` are the metrics of its latest step."""
    if job.paused_at:
        return "It waits at a checkpoint until somebody lets it go on. Other jobs have their turn meanwhile."
    if job.status == "running":
        if not now:
            return "The model is loaded, and its first steps are timed."
        return f"Step {now.get('step', 0):,} of {now.get('total_steps', 0):,}, epoch {now.get('epoch', 1)}."
    if job.status == "succeeded":
        return f"It has learnt {job.trained_tokens or 0:,} tokens in {took(job)}. Is it good enough to take over?"
    return {
        "validating_files": "Its files are being checked.",
        "queued": "It waits for its turn: one job trains at a time.",
        "failed": "It has ended without a model.",
        "cancelled": "It was cancelled, and has left no model.",
    }[job.status]


def left(job: FineTuningJob, now: Mapping[str, Any]) -> str:
    """How long a running job will go on; nothing where that is not known."""
    if job.status != "running" or not now or job.estimated_finish is None or job.paused_at:
        return ""
    return estimates.duration(max(0.0, job.estimated_finish - time.time()))


def share(job: FineTuningJob, now: Mapping[str, Any]) -> float:
    """How far it is, 0 to 1."""
    if job.status == "succeeded":
        return 1.0
    total = now.get("total_steps") or 0
    return min(1.0, now.get("step", 0) / total) if total else 0.0


def has_ended(job: FineTuningJob) -> bool:
    """Whether nothing will change any more."""
    return job.status in FINAL_STATUSES


def model_path(model: str) -> str:
    """Where a model's page is."""
    return f"/models/{quote(model, safe=':/@')}"


def dataset_path(job: FineTuningJob) -> str | None:
    """Where the data set's page is; None for a job that was made of files."""
    return None if job.dataset_id is None else f"/datasets/{quote(job.dataset_id, safe='')}"


def next_ways(job: FineTuningJob) -> list[Way]:
    """What to do with the model of a job that has succeeded, the first of them first."""
    model = str(job.fine_tuned_model)
    asked = {"dataset": job.metadata.get("dataset", ""), "model": model}
    compare = "/compare?" + urlencode({name: value for name, value in asked.items() if value})
    return [
        Way("Compare", compare),
        Way("Deploy", f"/models?deploy={quote(model, safe='')}"),
        Way("Try it", model_path(model)),
    ]


def ways_out(job: FineTuningJob) -> Iterator[Way]:
    """What can be done about a job that has failed or was cancelled."""
    error = job.error or {}
    message, code, param = str(error.get("message", "")), str(error.get("code", "")), str(error.get("param", ""))
    dataset = dataset_path(job)
    if dataset and code in ("invalid_training_file", "invalid_validation_file"):
        yield Way("Have the doctor mend the rows", f"{dataset}/doctor")
    if "learning_rate" in param:
        rate = job.hyperparameters.get("learning_rate_multiplier")
        half = (rate if isinstance(rate, int | float) else 1) / 2
        if to := again(job, learning_rate_multiplier=f"{half:g}"):
            yield Way("Tune at half the learning rate", to)
    if "status -9" in message:  # killed: in most cases for memory
        if to := again(job, batch_size="4", lora_rank="8"):
            yield Way("Tune with less memory", to)
    if to := again(job):
        yield Way("Change something and tune again", to)


def took(job: FineTuningJob) -> str:
    """How long a job has run, in words."""
    began = job.started_at or job.created_at
    return estimates.duration((job.finished_at or time.time()) - began)
