"""Fine-tuning jobs as OpenAI has them: created, listed, cancelled, paused and resumed. `executors.runner` runs them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, case

from tuneloop import grading, methods
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound, TuneloopError
from tuneloop.graders import METRICS
from tuneloop.store import Store, schema
from tuneloop.store.database import clean
from tuneloop.store.ids import new_id
from tuneloop.types import FINAL_STATUSES, Event, FineTuningJob, Json
from tuneloop.webhooks import announce

_UNFINISHED = schema.jobs.c.status.not_in(FINAL_STATUSES)
_PAUSED = schema.jobs.c.paused_at.is_not(None)


def create(
    store: Store, request: Mapping[str, Any], *, tunable: Callable[[str], str | None], dataset_id: str | None = None
) -> FineTuningJob:
    """A new job from the fields of OpenAI's request. `tunable` gives the model that is tuned under a name, which an
    alias has too. Raises InvalidInput and NotFound naming the parameter.
    """
    model, base = _base(request, tunable)
    request = with_graders(store, request)
    method, hyperparameters = methods.read(request)
    validation_file = _text(request, "validation_file")
    if "grader" in hyperparameters and validation_file is None:
        message = "'grader' judges the answers to a validation file: give 'validation_file' too"
        raise InvalidInput(message, param="hyperparameters.grader")
    job = FineTuningJob(
        id=new_id("ftjob-"),
        created_at=time.time(),
        model=model,
        base=base,
        training_file=_file(store, _needed(request, "training_file"), "training_file"),
        validation_file=_file(store, validation_file, "validation_file") if validation_file is not None else None,
        suffix=_suffix(request),
        seed=_seed(request.get("seed")),
        method=methods.shape(method, hyperparameters, methods.more(request.get("method"))),
        hyperparameters=hyperparameters,
        metadata=_metadata(request.get("metadata")),
        dataset_id=dataset_id,
        integrations=_integrations(request.get("integrations")),
    )
    said = [f"Created fine-tuning job: {job.id}", f"Validating training file: {job.training_file}"]
    if job.integrations:
        said.append("The integration with wandb is kept, not run: wandb's own WandbLogger.sync shows this job there")
    if "response_format" in methods.more(job.method):
        said.append(
            "While the model learns, its answers are not held to 'response_format': the grader sees them as they are"
        )
    with store.database.write() as connection:
        store.jobs.add_new_within(connection, job)
        store.events.add_new_within(connection, *(_event(job.id, message) for message in said))
    return job


def faults(store: Store, request: Mapping[str, Any], *, tunable: Callable[[str], str | None]) -> list[TuneloopError]:
    """All that `create` would refuse in a request, whatever its files."""
    looks: Sequence[Callable[[], object]] = (
        lambda: _base(request, tunable),
        lambda: _suffix(request),
        lambda: _seed(request.get("seed")),
        lambda: methods.read(with_graders(store, request)),
    )
    found = []
    for look in looks:
        try:
            look()
        except TuneloopError as error:
            found.append(error)
    return found


def _base(request: Mapping[str, Any], tunable: Callable[[str], str | None]) -> tuple[str, str]:
    """The model that is asked for, and the one that is tuned under that name."""
    model = _needed(request, "model")
    base = tunable(model)
    if base is None:
        raise ModelNotFound(
            f"The model {model!r} cannot be fine-tuned here; base models and tuned ones can: `tuneloop models list`",
            param="model",
        )
    return model, base


def with_graders(store: Store, request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with the definitions of graders in place of their names. Raises NotFound."""
    outer = _with_grader(store, request, "hyperparameters", "hyperparameters")
    method = request.get("method")
    kind = method.get("type") if isinstance(method, Mapping) else None
    if not isinstance(method, Mapping) or not isinstance(kind, str) or not isinstance(method.get(kind), Mapping):
        return outer
    inner = _with_grader(store, method[kind], "hyperparameters", "hyperparameters")
    if kind == "reinforcement":
        inner = {**inner, "grader": grading.resolve(store, inner.get("grader"), "method.reinforcement.grader")}
    return {**outer, "method": {**method, kind: inner}}


def _with_grader(store: Store, holder: Mapping[str, Any], name: str, param: str) -> Mapping[str, Any]:
    """The holder of hyperparameters, where they name a grader that is no metric with its definition."""
    given = holder.get(name)
    if not isinstance(given, Mapping) or given.get("grader") in (None, "auto", *METRICS):
        return holder
    return {**holder, name: {**given, "grader": grading.resolve(store, given["grader"], f"{param}.grader")}}


def get(store: Store, job_id: str) -> FineTuningJob:
    """Raises NotFound."""
    job = store.jobs.find(clean(job_id))
    if job is None:
        raise NotFound(f"Could not find fine tune: {job_id}", param="fine_tuning_job_id")
    return job


def waiting(store: Store) -> list[FineTuningJob]:
    """Jobs that somebody should be running, oldest first."""
    return store.jobs.all(_UNFINISHED, schema.jobs.c.paused_at.is_(None))[::-1]


def turn(job: FineTuningJob) -> str:
    """What tells the queue that this run of a job, which was resumed, is not the one before."""
    return f"/{job.resumed}" if job.resumed else ""


def cancel(store: Store, job_id: str) -> FineTuningJob:
    """End a job; its process stops within seconds. Raises InvalidInput when it has ended already."""
    job = get(store, job_id)
    if not end(store, job.id, "cancelled", "Fine-tuning job cancelled"):
        raise InvalidInput(f"Job has already completed: {job_id} is {get(store, job.id).status}", param="id")
    return get(store, job.id)


def pause(store: Store, job_id: str) -> FineTuningJob:
    """Let a job wait; its process leaves a checkpoint and stops within seconds, and other jobs have their turn. Its
    status is "queued" meanwhile, or "validating_files". Raises InvalidInput when it has ended, or waits already."""
    running = schema.jobs.c.status == "running"
    values = {
        "paused_at": time.time(),
        "estimated_finish": None,
        "status": case((running, "queued"), else_=schema.jobs.c.status),
    }
    return _turned(store, job_id, "paused", ~_PAUSED, **values)


def resume(store: Store, job_id: str) -> FineTuningJob:
    """Let a paused job go on from its checkpoint when its turn comes; it has to be lined up again. Raises InvalidInput
    when it is not paused."""
    values = {"paused_at": None, "resumed": schema.jobs.c.resumed + 1}
    return _turned(store, job_id, "resumed", _PAUSED, **values)


def end(
    store: Store, job_id: str, status: Literal["succeeded", "failed", "cancelled"], *messages: str, **values: Any
) -> bool:
    """Move a job to a final status, say so and announce it, all or nothing; False when it has one already."""
    now = time.time()
    said = [_event(job_id, message, error=status == "failed") for message in messages]
    with store.database.write() as connection:
        change = {"status": status, "finished_at": now, "paused_at": None, **values}
        ended = store.jobs.change_within(connection, job_id, _UNFINISHED, **change)
        if ended:
            store.events.add_new_within(connection, *said)
            announce(store, f"fine_tuning.job.{status}", job_id, connection)
    return ended


def say(store: Store, job_id: str, message: str) -> None:
    """Append an event."""
    store.events.add(_event(job_id, message))


def _event(job_id: str, message: str, *, error: bool = False) -> Event:
    level: Literal["info", "error"] = "error" if error else "info"
    return Event(id=new_id("ftevent-"), job_id=job_id, created_at=time.time(), level=level, message=message)


def _turned(store: Store, job_id: str, word: str, *conditions: ColumnElement[bool], **values: Any) -> FineTuningJob:
    job = get(store, job_id)
    with store.database.write() as connection:
        changed = store.jobs.change_within(connection, job.id, _UNFINISHED, *conditions, **values)
        if changed:
            store.events.add_new_within(connection, _event(job.id, f"Fine-tuning job {word}"))
    job = get(store, job.id)
    if not changed:
        state = "paused" if job.paused_at else job.status
        raise InvalidInput(f"Job cannot be {word}: {job.id} is {state}", param="id")
    return job


def _text(request: Mapping[str, Any], name: str) -> str | None:
    value = request.get(name)
    if value is not None and (not isinstance(value, str) or clean(value) != value):
        raise InvalidInput(f"'{name}' must be a text", param=name)
    return value


def _needed(request: Mapping[str, Any], name: str) -> str:
    value = _text(request, name)
    if not value:
        raise InvalidInput(f"you must provide a '{name}'", param=name)
    return value


def _suffix(request: Mapping[str, Any]) -> str | None:
    suffix = _text(request, "suffix")
    if suffix is not None and not (1 <= len(suffix) <= 64 and suffix.isprintable()):
        raise InvalidInput("'suffix' must be 1 to 64 printable characters", param="suffix")
    return suffix


def _file(store: Store, file_id: str, name: str) -> str:
    file = store.files.find(file_id)
    if file is None:
        raise InvalidInput(f"invalid {name}: {file_id}: there is no such file", param=name)
    if file.purpose != "fine-tune":
        raise InvalidInput(f"{name} {file_id} has purpose {file.purpose!r}, but must have 'fine-tune'", param=name)
    return file_id


def _seed(value: Json) -> int:
    if value is None:
        return secrets.randbelow(2**31)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise InvalidInput(f"'seed' must be an integer, not {value!r}", param="seed")
    return value


def _metadata(value: Json) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > 16:
        raise InvalidInput("'metadata' must be an object with at most 16 keys", param="metadata")
    for key, text in value.items():
        if not _is_text(key, 64) or not _is_text(text, 512):
            message = "'metadata' keys have at most 64 characters, values are texts of at most 512"
            raise InvalidInput(message, param="metadata")
    return dict(value)


def _integrations(value: Json) -> list[dict[str, Json]] | None:
    """Checked as OpenAI does, with nothing but what OpenAI knows."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise InvalidInput("'integrations' must be a list", param="integrations")
    return [{"type": "wandb", "wandb": _wandb(item, f"integrations[{index}]")} for index, item in enumerate(value)]


def _wandb(item: Json, where: str) -> dict[str, Json]:
    if not isinstance(item, Mapping) or item.get("type") != "wandb":
        raise InvalidInput(f"'{where}.type' must be 'wandb', the only integration there is", param=f"{where}.type")
    given = item.get("wandb")
    if not isinstance(given, Mapping):
        raise InvalidInput(f"'{where}.wandb' must be an object with a 'project'", param=f"{where}.wandb")
    for name in ("project", "name", "entity"):
        if not _is_text(given.get(name), 512) and (name == "project" or given.get(name) is not None):
            raise InvalidInput(f"'{where}.wandb.{name}' must be a text", param=f"{where}.wandb.{name}")
    tags = given.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(_is_text(tag, 512) for tag in tags)):
        raise InvalidInput(f"'{where}.wandb.tags' must be a list of texts", param=f"{where}.wandb.tags")
    return {name: given.get(name) for name in ("project", "name", "entity")} | {"tags": tags or []}


def _is_text(value: Json, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and clean(value) == value
