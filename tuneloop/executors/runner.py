"""Runs fine-tuning jobs: checks their files, trains in a folder, registers what was learnt."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from filelock import FileLock

from tuneloop import examples, finetuning, methods
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.protocols import Asked, Executor, Method, TrainingResult, TrainingSpec
from tuneloop.store import Store, schema
from tuneloop.types import FINAL_STATUSES, WHOLE_MODEL, Checkpoint, Event, File, FineTuningJob, Json, Model

#: how often in a row a training process may die without having got further
TRIES = 3
#: checkpoints that a job leaves, as many as with OpenAI
CHECKPOINTS = 3
#: exit statuses of the training process
_DONE, _BLAMED, _INTERRUPTED = 0, 2, 75
#: rows between looks at whether a job was cancelled
_ROWS = 1000

#: OpenAI's names of a checkpoint's metrics, the last for reinforcement
_METRICS = ("loss", "mean_token_accuracy", "mean_reward")
_METRIC_NAMES = ("step", *(f"{kind}_{name}" for kind in ("train", "valid", "full_valid") for name in _METRICS))

_logger = logging.getLogger(__name__)


class _Stopped(Exception):
    """Somebody has paused or cancelled the job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Runs jobs to their end. Every step may be repeated: a run that was killed goes on where it stopped."""

    store: Store
    #: folder with one folder a job
    folder: Path
    executor: Executor
    #: folder of a base model, brought first if need be, which calls the second argument now and then
    base_folder: Callable[[str, Callable[[str, int, int], None]], Path]
    organization: str
    threads: int = 0

    def validate(self, job_id: str) -> None:
        """Check the files of a job, before its turn comes. Never raises for what the job itself is to blame for."""
        self._guarded(job_id, self._validate)

    def run(self, job_id: str) -> None:
        """Run a job to one of the final statuses, or until it is paused. Never raises for what the job itself is to
        blame for."""
        self._guarded(job_id, self._run)

    def _guarded(self, job_id: str, work: Callable[[FineTuningJob, Path], None]) -> None:
        job = self.store.jobs.find(job_id)
        if job is None or job.status in FINAL_STATUSES:
            return
        try:
            work(job, self.folder / job.id)
        except _Stopped:
            pass
        except TuneloopError as error:
            self._fail(job, {"code": error.code or "server_error", "message": error.message, "param": error.param})
        except Exception as error:  # a job must end, whatever is wrong with us
            _logger.exception("the job %s failed", job.id)
            self._fail(job, {"code": "server_error", "message": f"{type(error).__name__}: {error}", "param": None})
        if self._asked(job.id) == "cancel":
            self._tidy(job, self.folder / job.id)

    def _run(self, job: FineTuningJob, folder: Path) -> None:
        self._go_on(job)
        self._validate(job, folder)
        self._prepare(job, folder)
        self._train(job, folder)
        self._finish(job, folder)

    def _validate(self, job: FineTuningJob, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "files.lock"):  # ahead of the job's turn, or in it
            if self.store.jobs.get(job.id).status != "validating_files":
                return
            method: Method = job.method["type"]
            self._check_file(job, job.training_file, method, "training_file")
            if job.validation_file is not None:
                self._check_file(job, job.validation_file, method, "validation_file")
            if self.store.jobs.change(job.id, schema.jobs.c.status == "validating_files", status="queued"):
                finetuning.say(self.store, job.id, "Files validated, moving job to queued state")

    def _check_file(self, job: FineTuningJob, file_id: str, method: Method, param: examples.FilePurpose) -> None:
        file = self.store.files.find(file_id)
        if file is None:
            raise InvalidInput(f"the file {file_id} was deleted", param=param, code=f"invalid_{param}")
        path = self.folder / job.id / f"{param}.jsonl"
        self.store.blobs.download(file.sha256, path)
        reward = methods.more(job.method).get("grader")
        for number, row in enumerate(examples.read(path, method, param, file_id)):
            if reward is not None:
                methods.check_prompt(reward, row, param)
            if number % _ROWS == 0 and self._asked(job.id) == "cancel":
                raise _Stopped

    def _prepare(self, job: FineTuningJob, folder: Path) -> None:
        """Write down what the training process is told."""
        if (folder / "spec.json").exists():
            return
        base, adapter = self._base(job.base)
        spec = TrainingSpec(
            model=str(self.base_folder(base, lambda *_: self._go_on(job))),
            training_file=str(folder / "training_file.jsonl"),
            validation_file=str(folder / "validation_file.jsonl") if job.validation_file else None,
            adapter=adapter,
            seed=job.seed,
            method=job.method["type"],
            reward=methods.more(job.method).get("grader"),
            threads=self.threads,
            **job.hyperparameters,
        )
        staged = folder / "spec.json.partial"
        staged.write_bytes(orjson.dumps(spec))
        staged.rename(folder / "spec.json")

    def _base(self, name: str) -> tuple[str, str | None]:
        """What a model is tuned from: the name of a whole model, and the folder of an adapter on it to go on from."""
        tuned = self.store.models.find(name)
        if tuned is None or tuned.adapter is None or _is_whole(Path(tuned.adapter)):
            return name, None
        return tuned.base, tuned.adapter

    def _train(self, job: FineTuningJob, folder: Path) -> None:
        """Run the training process until it ends by itself; begin it anew when it was killed and had got further."""
        self._go_on(job)
        if self.store.jobs.change(job.id, schema.jobs.c.status == "queued", status="running"):
            if self.store.jobs.change(job.id, schema.jobs.c.started_at.is_(None), started_at=time.time()):
                finetuning.say(self.store, job.id, "Fine-tuning job started")
        events, failures = _Events(self.store, job.id), 0
        while True:
            before = events.seen
            code = self.executor.run(folder, asked=lambda: self._asked(job.id), on_line=events.take)
            if code in (_DONE, _BLAMED):
                return
            self._go_on(job)
            if code == _INTERRUPTED:  # it was paused, and resumed before it had stopped
                continue
            failures = failures + 1 if events.seen == before else 1
            if failures >= TRIES:
                log = (folder / "output.log").read_text(errors="replace")[-500:]
                raise TuneloopError(f"training ended {TRIES} times with exit status {code}: {log.strip()}")
            message = f"Training process ended with status {code}; going on from the last checkpoint"
            finetuning.say(self.store, job.id, message)

    def _asked(self, job_id: str) -> Asked | None:
        """What somebody wants of a job that runs."""
        job = self.store.jobs.find(job_id)
        if job is None or job.status in FINAL_STATUSES:
            return "cancel"
        return "pause" if job.paused_at else None

    def _go_on(self, job: FineTuningJob) -> None:
        """Raises _Stopped when nobody wants that."""
        if self._asked(job.id):
            raise _Stopped

    def _finish(self, job: FineTuningJob, folder: Path) -> None:
        """Register the model and its checkpoints, and close the job."""
        self._go_on(job)
        result = TrainingResult(**orjson.loads((folder / "result.json").read_bytes()))
        if result.error is not None:
            self._fail(job, result.error)
            return
        made = self._model(job, folder / "adapter")
        kept = self._checkpoints(job, made, folder)
        models = [made, *(model for _, model in kept)]
        self.store.models.add_new(*models)
        self.store.checkpoints.add_new(*(checkpoint for checkpoint, _ in kept))
        self.store.deployments.touch()
        ended = finetuning.end(
            self.store,
            job.id,
            "succeeded",
            f"New fine-tuned model created: {made.id}",
            "The job has successfully completed",
            fine_tuned_model=made.id,
            trained_tokens=result.trained_tokens,
            hyperparameters=(numbers := methods.with_numbers(job.hyperparameters, result.hyperparameters)),
            method=methods.shape(job.method["type"], numbers, methods.more(job.method)),
            result_files=[self._result_file(job, folder)],
        )
        if not ended:  # cancelled at the last moment
            for checkpoint, _ in kept:
                self.store.checkpoints.remove(checkpoint.id)
            for model in models:
                self.store.models.remove(model.id)
            self.store.deployments.touch()

    def _model(self, job: FineTuningJob, trained: Path) -> Model:
        """What was trained, as a model."""
        base, _ = self._base(job.base)
        root = base
        while tuned := self.store.models.find(root):  # an adapter on a model that was tuned as a whole
            root = tuned.base
        # Some clients know by the name of the model that was asked for whose the tuned one is.
        asked = job.model.split(":")[1] if job.model.startswith("ft:") else job.model
        return Model(
            id=f"ft:{asked}:{self.organization}:{job.suffix or ''}:{job.id[-8:]}",
            created_at=time.time(),
            kind="tuned",
            base=root if _is_whole(trained) else base,
            owned_by=self.organization,
            adapter=str(trained),
            job_id=job.id,
        )

    def _checkpoints(self, job: FineTuningJob, made: Model, folder: Path) -> list[tuple[Checkpoint, Model]]:
        """The last of those that the run has told of, and the models that answer with them."""
        messages = self.store.events.all(schema.events.c.job_id == job.id, schema.events.c.type == "message")
        told = [event for event in messages if event.data and "checkpoint" in event.data]
        return [_checkpoint(event, made, folder) for event in told[:CHECKPOINTS]]

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
        message = error["message"]
        if error["code"] in ("invalid_training_file", "invalid_validation_file"):
            kind = "training" if error["code"] == "invalid_training_file" else "validation"
            message = f"The job failed due to an invalid {kind} file. {message}"
        finetuning.end(self.store, job.id, "failed", message, error={**error, "message": message})

    def _tidy(self, job: FineTuningJob, folder: Path) -> None:
        """Remove what an ended job needs no more: copies of its files, and checkpoints that nobody can call."""
        for copy in ("training_file.jsonl", "validation_file.jsonl", "reference.json"):
            (folder / copy).unlink(missing_ok=True)
        kept = {model.adapter for model in self.store.models.all(schema.models.c.job_id == job.id)}
        for path in (folder / "checkpoints").glob("*"):
            if str(path) not in kept:
                shutil.rmtree(path, ignore_errors=True)


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
            self.store.jobs.change(
                self.job_id, schema.jobs.c.paused_at.is_(None), estimated_finish=said["created_at"] + eta
            )


def _checkpoint(event: Event, made: Model, folder: Path) -> tuple[Checkpoint, Model]:
    data = event.data or {}
    model = Model(
        id=f"{made.id}:ckpt-step-{data['step']}",
        created_at=event.created_at,
        kind="tuned",
        base=made.base,
        owned_by=made.owned_by,
        adapter=str(folder / data["checkpoint"]),
        job_id=made.job_id,
    )
    checkpoint = Checkpoint(
        id=f"ftckpt_{event.id.removeprefix('ftevent-')}",
        created_at=event.created_at,
        job_id=event.job_id,
        model=model.id,
        step=data["step"],
        metrics={name: data[name] for name in _METRIC_NAMES if name in data},
    )
    return checkpoint, model


def _is_whole(trained: Path) -> bool:
    """Whether a run has left a whole model rather than an adapter."""
    return (trained / WHOLE_MODEL).exists()
