"""Fine-tuning jobs as OpenAI has them: created, validated, run to the end in a folder, cancelled."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tuneloop import examples
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound, TuneloopError
from tuneloop.protocols import Executor, TrainingResult, TrainingSpec
from tuneloop.store import Store, schema
from tuneloop.store.ids import new_id
from tuneloop.types import FINAL_STATUSES, Event, File, FineTuningJob, Json, Model

#: how often in a row a training process may die without having got further
TRIES = 3


def create(
    store: Store, request: Mapping[str, Any], *, tunable: Callable[[str], bool], dataset_id: str | None = None
) -> FineTuningJob:
    """A new job from the fields of OpenAI's request. Raises InvalidInput and NotFound naming the parameter."""
    model = _text(request, "model", required=True)
    if not tunable(model or ""):
        raise ModelNotFound(
            f"The model {model!r} cannot be fine-tuned here; base models and tuned ones can: `tuneloop models list`",
            param="model",
        )
    method, hyperparameters = _method(request)
    suffix = _text(request, "suffix")
    if suffix is not None and not 1 <= len(suffix) <= 64:
        raise InvalidInput("'suffix' must be 1 to 64 characters long", param="suffix")
    job = FineTuningJob(
        id=new_id("ftjob-"),
        created_at=time.time(),
        model=model or "",
        training_file=_file(store, request, "training_file", required=True) or "",
        validation_file=_file(store, request, "validation_file"),
        suffix=suffix,
        seed=_seed(request.get("seed")),
        method=method,
        hyperparameters=hyperparameters,
        metadata=_metadata(request.get("metadata")),
        dataset_id=dataset_id,
    )
    store.jobs.add(job)
    say(store, job.id, f"Created fine-tuning job: {job.id}")
    say(store, job.id, f"Validating training file: {job.training_file}")
    return job


def get(store: Store, job_id: str) -> FineTuningJob:
    """Raises NotFound."""
    job = store.jobs.find(job_id)
    if job is None:
        raise NotFound(f"Could not find fine tune: {job_id}", param="fine_tuning_job_id")
    return job


def cancel(store: Store, job_id: str) -> FineTuningJob:
    """End a job; its process stops within seconds. Raises InvalidInput when it has ended already."""
    job = get(store, job_id)
    if not _end(store, job_id, "cancelled"):
        raise InvalidInput(f"Job has already completed: {job_id} is {get(store, job.id).status}", param="id")
    say(store, job_id, "Fine tuning job cancelled")
    return get(store, job_id)


def say(store: Store, job_id: str, message: str, *, error: bool = False, event_id: str | None = None) -> None:
    """Append an event; one with an `event_id` is appended once however often it is said."""
    event = Event(
        id=event_id or new_id("ftevent-"),
        job_id=job_id,
        created_at=time.time(),
        level="error" if error else "info",
        message=message,
    )
    store.events.add_new(event)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Runs jobs to their end. Every step may be repeated: a run that was killed goes on where it stopped."""

    store: Store
    #: folder with one folder a job
    folder: Path
    executor: Executor
    #: folder of a base model, brought first if need be
    base_folder: Callable[[str], Path]
    organization: str
    threads: int = 0

    def run(self, job_id: str) -> None:
        """Run a job to one of the final statuses. Never raises for what the job itself is to blame for."""
        job = self.store.jobs.find(job_id)
        if job is None or job.status in FINAL_STATUSES:
            return
        folder = self.folder / job.id
        try:
            self._prepare(job, folder)
            self._train(job, folder)
            self._finish(job, folder)
        except TuneloopError as error:
            self._fail(job, {"code": error.code or "server_error", "message": error.message, "param": error.param})
        except OSError as error:
            self._fail(job, {"code": "server_error", "message": f"{type(error).__name__}: {error}", "param": None})

    def _prepare(self, job: FineTuningJob, folder: Path) -> None:
        """Check the files and write down what the training process is told."""
        if (folder / "spec.json").exists():
            return
        for param, file_id in (("training_file", job.training_file), ("validation_file", job.validation_file)):
            if file_id is not None:
                self._check_file(file_id, param, folder / f"{param}.jsonl")
        base, adapter = self._base(job.model)
        spec = TrainingSpec(
            model=str(self.base_folder(base)),
            training_file=str(folder / "training_file.jsonl"),
            validation_file=str(folder / "validation_file.jsonl") if job.validation_file else None,
            adapter=adapter,
            seed=job.seed,
            threads=self.threads,
            **job.hyperparameters,
        )
        staged = folder / "spec.json.partial"
        staged.write_bytes(orjson.dumps(spec))
        staged.rename(folder / "spec.json")
        if self.store.jobs.change(job.id, schema.jobs.c.status == "validating_files", status="queued"):
            say(self.store, job.id, "Files validated, moving job to queued state")

    def _check_file(self, file_id: str, param: str, to: Path) -> None:
        file = self.store.files.find(file_id)
        if file is None:
            raise InvalidInput(f"the file {file_id} was deleted", param=param, code=f"invalid_{param}")
        self.store.blobs.download(file.sha256, to)
        for _ in examples.read_examples(to, "training_file" if param == "training_file" else "validation_file"):
            pass

    def _base(self, name: str) -> tuple[str, str | None]:
        tuned = self.store.models.find(name)
        return (tuned.base, tuned.adapter) if tuned else (name, None)

    def _train(self, job: FineTuningJob, folder: Path) -> None:
        """Run the training process until it ends by itself; begin it anew when it was killed and had got further."""
        open_ = schema.jobs.c.status.in_(("validating_files", "queued"))
        if self.store.jobs.change(job.id, open_, status="running", started_at=time.time()):
            say(self.store, job.id, "Fine-tuning job started")
        events, failures = _Events(self.store, job.id), 0
        while not self._cancelled(job.id):
            before = events.seen
            code = self.executor.run(folder, cancelled=lambda: self._cancelled(job.id), on_line=events.take)
            if code in (0, 2):
                return
            failures = failures + 1 if events.seen == before else 1
            if failures >= TRIES:
                log = (folder / "output.log").read_text(errors="replace")[-500:]
                raise TuneloopError(f"training ended {TRIES} times with exit status {code}: {log.strip()}")
            if not self._cancelled(job.id):
                say(self.store, job.id, f"Training process ended with status {code}; going on from the last checkpoint")

    def _cancelled(self, job_id: str) -> bool:
        job = self.store.jobs.find(job_id)
        return job is None or job.status == "cancelled"

    def _finish(self, job: FineTuningJob, folder: Path) -> None:
        """Register the model and close the job."""
        if self._cancelled(job.id):
            return
        result = TrainingResult(**orjson.loads((folder / "result.json").read_bytes()))
        if result.error is not None:
            self._fail(job, result.error)
            return
        base, _ = self._base(job.model)
        name = f"ft:{base}:{self.organization}:{job.suffix or ''}:{job.id[-8:]}"
        model = Model(
            id=name,
            created_at=time.time(),
            kind="tuned",
            base=base,
            owned_by=self.organization,
            adapter=str(folder / "adapter"),
            job_id=job.id,
        )
        self.store.models.add_new(model)
        self.store.deployments.touch()
        ended = _end(
            self.store,
            job.id,
            "succeeded",
            fine_tuned_model=name,
            trained_tokens=result.trained_tokens,
            hyperparameters=dict(result.hyperparameters),
            method=_with_numbers(job.method, result.hyperparameters),
            result_files=[self._result_file(job, folder)],
        )
        if ended:
            say(self.store, job.id, f"New fine-tuned model created: {name}")
            say(self.store, job.id, "The job has successfully completed")
        else:
            self.store.models.remove(name)

    def _result_file(self, job: FineTuningJob, folder: Path) -> str:
        """The id of the result file, kept once however often the job is finished."""
        sha256, size = self.store.blobs.put([(folder / "results.csv").read_bytes()])
        file = File(
            id=f"file-{job.id.removeprefix('ftjob-')}",
            created_at=time.time(),
            filename="step_metrics.csv",
            purpose="fine-tune-results",
            bytes=size,
            sha256=sha256,
        )
        self.store.files.add_new(file)
        return file.id

    def _fail(self, job: FineTuningJob, error: Mapping[str, Json]) -> None:
        if _end(self.store, job.id, "failed", error=dict(error)):
            say(self.store, job.id, f"The job failed: {error['message']}", error=True)


class _Events:
    """Brings the lines of events.jsonl into the store, each once, whatever is killed in between."""

    def __init__(self, store: Store, job_id: str) -> None:
        self.store = store
        self.job_id = job_id
        self.seen = 0

    def take(self, number: int, line: str) -> None:
        said = orjson.loads(line)
        event = Event(
            id=f"ftevent-{self.job_id.removeprefix('ftjob-')}-{number:06d}",
            job_id=self.job_id,
            created_at=said["created_at"],
            level=said.get("level", "info"),
            type=said.get("type", "message"),
            message=said["message"],
            data=said.get("data"),
        )
        self.store.events.add_new(event)
        self.seen = max(self.seen, number)
        if isinstance(eta := (said.get("data") or {}).get("eta_s"), int | float):
            self.store.jobs.change(self.job_id, estimated_finish=said["created_at"] + eta)


def _end(store: Store, job_id: str, status: str, **values: Any) -> bool:
    """Move a job to a final status unless it has one already."""
    unfinished = schema.jobs.c.status.not_in(FINAL_STATUSES)
    return store.jobs.change(job_id, unfinished, status=status, finished_at=time.time(), **values)


def _text(request: Mapping[str, Any], name: str, required: bool = False) -> str | None:
    value = request.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value):
        raise InvalidInput(f"'{name}' must be a text" + (" and is required" if required else ""), param=name)
    return value


def _file(store: Store, request: Mapping[str, Any], name: str, required: bool = False) -> str | None:
    file_id = _text(request, name, required)
    if file_id is None:
        return None
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
        if not isinstance(text, str) or len(key) > 64 or len(text) > 512:
            message = "'metadata' keys have at most 64 characters, values are texts of at most 512"
            raise InvalidInput(message, param="metadata")
    return dict(value)


def _method(request: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The method as given and its hyperparameters, "auto" where nothing is."""
    method = request.get("method") or {"type": "supervised"}
    if not isinstance(method, Mapping) or method.get("type") not in ("supervised", "dpo", "reinforcement"):
        raise InvalidInput("'method.type' must be 'supervised'", param="method.type")
    if method["type"] != "supervised":
        raise InvalidInput(f"method {method['type']!r} is not offered; 'supervised' is", param="method.type")
    inner = method.get("supervised") or {}
    given = (inner.get("hyperparameters") if isinstance(inner, Mapping) else None) or {}
    hyperparameters = _hyperparameters({**_mapping(request.get("hyperparameters")), **_mapping(given)})
    return {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}, hyperparameters


def _mapping(value: Json) -> Mapping[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInput("'hyperparameters' must be an object", param="hyperparameters")
    return value or {}


#: name -> kind, lowest and highest value (exclusive zero for the multiplier)
_RANGES: dict[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 1e-9, 1e4),
}


def _hyperparameters(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _in_range(name, given.get(name, "auto")) for name in _RANGES}


def _in_range(name: str, value: Json) -> Json:
    if value is None or value == "auto":
        return "auto"
    kind, low, high = _RANGES[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (kind is int and value != int(value)) or not low <= value <= high:
        what = f"a whole number from {low} to {high}" if kind is int else "a number above 0"
        raise InvalidInput(f"'{name}' must be \"auto\" or {what}, not {value!r}", param=f"hyperparameters.{name}")
    return kind(value)


def _with_numbers(method: Mapping[str, Json], numbers: Mapping[str, Json]) -> dict[str, Json]:
    return {**method, "supervised": {"hyperparameters": dict(numbers)}}
