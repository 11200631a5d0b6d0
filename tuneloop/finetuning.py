"""Fine-tuning jobs as OpenAI has them: created, validated, run to the end in a folder, cancelled."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tuneloop import examples, methods
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound, TuneloopError
from tuneloop.protocols import Executor, Method, TrainingResult, TrainingSpec
from tuneloop.store import Store, schema
from tuneloop.store.ids import new_id
from tuneloop.types import FINAL_STATUSES, WHOLE_MODEL, Event, File, FineTuningJob, Json, Model

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
    method, hyperparameters = methods.read(request)
    suffix = _text(request, "suffix")
    if suffix is not None and not 1 <= len(suffix) <= 64:
        raise InvalidInput("'suffix' must be 1 to 64 characters long", param="suffix")
    validation_file = _file(store, request, "validation_file")
    if "grader" in hyperparameters and validation_file is None:
        message = "'grader' judges the answers to a validation file: give 'validation_file' too"
        raise InvalidInput(message, param="hyperparameters.grader")
    job = FineTuningJob(
        id=new_id("ftjob-"),
        created_at=time.time(),
        model=model or "",
        training_file=_file(store, request, "training_file", required=True) or "",
        validation_file=validation_file,
        suffix=suffix,
        seed=_seed(request.get("seed")),
        method=methods.shape(method, hyperparameters),
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
        method: Method = job.method["type"]
        self._check_file(job.training_file, method, "training_file", folder)
        if job.validation_file is not None:
            self._check_file(job.validation_file, method, "validation_file", folder)
        base, adapter = self._base(job.model)
        spec = TrainingSpec(
            model=str(self.base_folder(base)),
            training_file=str(folder / "training_file.jsonl"),
            validation_file=str(folder / "validation_file.jsonl") if job.validation_file else None,
            adapter=adapter,
            seed=job.seed,
            method=method,
            threads=self.threads,
            **job.hyperparameters,
        )
        staged = folder / "spec.json.partial"
        staged.write_bytes(orjson.dumps(spec))
        staged.rename(folder / "spec.json")
        if self.store.jobs.change(job.id, schema.jobs.c.status == "validating_files", status="queued"):
            say(self.store, job.id, "Files validated, moving job to queued state")

    def _check_file(self, file_id: str, method: Method, param: examples.FilePurpose, folder: Path) -> None:
        file = self.store.files.find(file_id)
        if file is None:
            raise InvalidInput(f"the file {file_id} was deleted", param=param, code=f"invalid_{param}")
        path = folder / f"{param}.jsonl"
        self.store.blobs.download(file.sha256, path)
        examples.check(path, method, param, file_id)

    def _base(self, name: str) -> tuple[str, str | None]:
        """What a model is tuned from: the name of a whole model, and the folder of an adapter on it to go on from."""
        tuned = self.store.models.find(name)
        if tuned is None or tuned.adapter is None or _is_whole(Path(tuned.adapter)):
            return name, None
        return tuned.base, tuned.adapter

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
        name = self._register(job, folder / "adapter")
        self.store.deployments.touch()
        ended = _end(
            self.store,
            job.id,
            "succeeded",
            fine_tuned_model=name,
            trained_tokens=result.trained_tokens,
            hyperparameters=(numbers := methods.with_numbers(job.hyperparameters, result.hyperparameters)),
            method=methods.shape(job.method["type"], numbers),
            result_files=[self._result_file(job, folder)],
        )
        if ended:
            say(self.store, job.id, f"New fine-tuned model created: {name}")
            say(self.store, job.id, "The job has successfully completed")
        else:
            self.store.models.remove(name)

    def _register(self, job: FineTuningJob, trained: Path) -> str:
        """Make what was trained a model, once however often the job is finished, and return its name."""
        base, _ = self._base(job.model)
        root = base
        while tuned := self.store.models.find(root):  # an adapter on a model that was tuned as a whole
            root = tuned.base
        model = Model(
            id=f"ft:{root}:{self.organization}:{job.suffix or ''}:{job.id[-8:]}",
            created_at=time.time(),
            kind="tuned",
            base=root if _is_whole(trained) else base,
            owned_by=self.organization,
            adapter=str(trained),
            job_id=job.id,
        )
        self.store.models.add_new(model)
        return model.id

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


def _is_whole(trained: Path) -> bool:
    """Whether a run has left a whole model rather than an adapter."""
    return (trained / WHOLE_MODEL).exists()


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
