"""Evaluations that a server runs: asked for, lined up, run to their end, cancelled, deleted."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from tuneloop import comparing, evaluation_requests, finetuning, verdicts
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.loop import Loop
from tuneloop.store import Store, schema
from tuneloop.store.evaluations import OPEN
from tuneloop.store.ids import new_id
from tuneloop.types import FINAL_STATUSES, Evaluation, FineTuningJob, Json

T = TypeVar("T")

_status = schema.evaluations.c.status
#: seconds between looks at whether it was cancelled, and between notes of how far it is
_LOOK, _NOTE = 0.3, 1.0

_logger = logging.getLogger(__name__)


class _Stopped(Exception):
    """The evaluation was cancelled or deleted."""


def create(loop: Loop, request: Mapping[str, Json]) -> Evaluation:
    """An evaluation from the fields of the request, lined up for the server. What can be looked at is looked at
    before: raises InvalidInput, NotFound and ModelNotFound, naming the field."""
    whole = evaluation_requests.whole(request)
    read = evaluation_requests.comparison if whole["tune"] is None else evaluation_requests.question
    dataset = read(loop, whole).dataset
    made = Evaluation(
        id=new_id("eval_"),
        created_at=time.time(),
        dataset_id=dataset.id,
        report={},
        status="queued",
        asked=whole,
    )
    loop.store.evaluations.add(made)
    loop.enqueue("evaluations", made.id)
    return made


def cancel(store: Store, evaluation_id: str) -> Evaluation:
    """End an evaluation; its work stops within seconds. Raises NotFound, InvalidInput when it has ended already or is
    a command's."""
    found = store.evaluations.get(evaluation_id)
    if found.asked is None and found.status == "running":
        raise InvalidInput(
            f"the evaluation {found.id} is a command's: interrupt that, or delete the evaluation", param="evaluation_id"
        )
    if not store.evaluations.change(found.id, OPEN, status="cancelled", progress={}):
        raise InvalidInput(f"the evaluation {found.id} has ended: it is {found.status}", param="evaluation_id")
    return store.evaluations.get(found.id)


def delete(store: Store, evaluation_id: str) -> None:
    """Forget an evaluation with its answers; one that is under way ends. Raises NotFound."""
    store.evaluations.remove(store.evaluations.get(evaluation_id).id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Runs evaluations to their end, each in the caller's thread, its calls in the server's event loop. Every step may
    be repeated: what is answered, or tuned, is kept."""

    loop: Loop
    #: where the engines of this process live
    events: Future[asyncio.AbstractEventLoop]

    def run(self, evaluation_id: str) -> None:
        """Run to one of the final statuses. Never raises for what the request itself is to blame for."""
        store = self.loop.store.evaluations
        store.change(evaluation_id, _status == "queued", status="running")
        found = store.find(evaluation_id)
        if found is None or found.status != "running" or found.asked is None:
            return
        try:
            self._work(found, found.asked)
        except _Stopped:
            pass
        except TuneloopError as error:
            self._fail(found, {"code": error.code, "message": error.message, "param": error.param})
        except Exception as error:  # an evaluation must end, whatever is wrong with us
            _logger.exception("the evaluation %s failed", found.id)
            self._fail(found, {"code": "server_error", "message": f"{type(error).__name__}: {error}", "param": None})

    def _work(self, evaluation: Evaluation, request: Mapping[str, Json]) -> None:
        note = _Note()
        watch = _Watch(self.loop, evaluation.id, note)
        if request["tune"] is None:
            compared = replace(evaluation_requests.comparison(self.loop, request), evaluation=evaluation.id)
            self._until_done(watch, comparing.compare(self.loop, compared, note.count))
            return
        question = replace(evaluation_requests.question(self.loop, request), evaluation=evaluation.id)
        tuned = verdicts.tune(self.loop, question, watch.follow, note.say)
        self._until_done(watch, verdicts.give(self.loop, question, tuned, note.count, note.say))

    def _until_done(self, watch: _Watch, work: Coroutine[Any, Any, Evaluation]) -> None:
        doing = asyncio.run_coroutine_threadsafe(work, self.events.result())
        try:
            watch.until(doing.done)
        except _Stopped:
            doing.cancel()
            raise
        doing.result()

    def _fail(self, evaluation: Evaluation, error: Mapping[str, Json]) -> None:
        self.loop.store.evaluations.change(evaluation.id, OPEN, status="failed", error=error, progress={})


@dataclass(slots=True)
class _Note:
    """How far an evaluation is."""

    doing: str = ""
    arms: dict[str, list[int]] = field(default_factory=dict)

    def say(self, what: str) -> None:
        self.doing = what

    def count(self, arm: str, done: int, total: int) -> None:
        self.arms[arm] = [done, total]

    def json(self) -> dict[str, Json]:
        return {"doing": self.doing, "arms": dict(self.arms)}


class _Watch:
    """Waits, writes down how far it is, and notices when nobody wants that any more."""

    def __init__(self, loop: Loop, evaluation_id: str, note: _Note) -> None:
        self._loop, self._id, self._note = loop, evaluation_id, note
        self._noted = 0.0

    def until(self, done: Callable[[], bool]) -> None:
        """Raises _Stopped."""
        while not done():
            self._look()
            time.sleep(_LOOK)

    def follow(self, job: FineTuningJob) -> FineTuningJob:
        """Have a job run, and wait for its end. Raises TuneloopError when it has not succeeded, and _Stopped, which
        ends the job."""
        jobs = self._loop.store.jobs
        self._loop.line_up(job)
        try:
            self.until(lambda: jobs.get(job.id).status in FINAL_STATUSES)
        except _Stopped:
            with suppress(InvalidInput):  # it has ended meanwhile
                finetuning.cancel(self._loop.store, job.id)
            raise
        ended = jobs.get(job.id)
        if ended.status != "succeeded":
            raise TuneloopError(f"the job {ended.id} {ended.status}: {(ended.error or {}).get('message', '')}")
        return ended

    def _look(self) -> None:
        evaluations = self._loop.store.evaluations
        if time.monotonic() - self._noted > _NOTE:
            self._noted = time.monotonic()
            if not evaluations.change(self._id, _status == "running", progress=self._note.json()):
                raise _Stopped
            return
        found = evaluations.find(self._id)
        if found is None or found.status not in ("running", "completed"):
            raise _Stopped
