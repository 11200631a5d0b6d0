"""The work of a run: every row is sampled, graded and kept, in order, so that a run that was killed goes on."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

from tuneloop import grading
from tuneloop.errors import TuneloopError
from tuneloop.eval_types import EvalItem, EvalRun
from tuneloop.evals import criteria, runs, sampling, sources
from tuneloop.evals.criteria import Criterion
from tuneloop.evals.report import Report
from tuneloop.evals.rows import Row
from tuneloop.graders import Graded, GradingFailed, RunPython, Usage
from tuneloop.graders.asking import Gateway
from tuneloop.graders.judges import usage_of
from tuneloop.store import Store, eval_tables
from tuneloop.types import Json

_logger = logging.getLogger(__name__)
#: seconds between looks at whether a run was cancelled, and between reports of how far it is
_LOOK, _REPORT = 0.3, 1.0
#: rows begun ahead of the one that is to be kept next, for each that is worked on at once
_AHEAD = 4


class _Stopped(Exception):
    """The run was cancelled or deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Runner:
    """Runs eval runs to their end. Every step may be repeated."""

    store: Store
    #: how models are asked on behalf of a run, given its id
    gateway: Callable[[str], Gateway]
    run_python: RunPython
    #: rows worked on at the same time
    concurrency: int = 4

    def run(self, run_id: str) -> None:
        """Run to one of the final statuses. Never raises for what the run itself is to blame for."""
        run = self.store.eval_runs.find(run_id)
        if run is None or run.status in runs.FINAL:
            return
        self.store.eval_runs.change(run_id, eval_tables.eval_runs.c.status == "queued", status="in_progress")
        try:
            self._work(run)
        except _Stopped:
            pass
        except TuneloopError as error:
            self._fail(run, error.code or "invalid_data_source", error.message)
        except Exception as error:  # a run must end, whatever is wrong with us
            if not self._stopped(run):  # deleted under our hands
                _logger.exception("the eval run %s failed", run.id)
                self._fail(run, "server_error", f"{type(error).__name__}: {error}")

    def _work(self, run: EvalRun) -> None:
        of = self.store.evals.get(run.eval_id)
        kept = self.store.eval_items.all(eval_tables.eval_items.c.run_id == run.id)
        report, reported = Report([criterion["name"] for criterion in of.testing_criteria], kept), time.monotonic()
        gateway = self.gateway(run.id)
        people = grading.people(self.store)
        tests = criteria.read(of.testing_criteria, ask=gateway, run_python=self.run_python, people=people)
        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                rows = islice(sources.rows(self.store, of, run), report.count, None)
                begun: deque[Future[EvalItem]] = deque()
                for position, row in enumerate(rows, start=report.count):
                    begun.append(pool.submit(self._item, run, position, row, tests, gateway))
                    if len(begun) >= _AHEAD * self.concurrency:
                        reported = self._keep(run, begun.popleft(), report, reported)
                while begun:
                    reported = self._keep(run, begun.popleft(), report, reported)
            except BaseException:
                gateway.abort()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if not report.count:
            raise TuneloopError("The data source has no rows.", code="no_rows")
        runs.end(self.store, run.id, "completed", report=report.json())

    def _keep(self, run: EvalRun, begun: Future[EvalItem], report: Report, reported: float) -> float:
        """Wait for the next row and keep it; returns when the run's counts were last written down."""
        while True:
            if self._stopped(run):
                raise _Stopped
            if wait([begun], timeout=_LOOK).done:
                break
        item = begun.result()
        self.store.eval_items.add_new(item)
        report.add(item)
        if time.monotonic() - reported < _REPORT:
            return reported
        self.store.eval_runs.change(run.id, report=report.json())
        return time.monotonic()

    def _item(self, run: EvalRun, position: int, row: Row, tests: list[Criterion], gateway: Gateway) -> EvalItem:
        usage: dict[str, Usage] = {}
        try:
            sample, shown = self._sample(run, row, gateway, usage)
            graded = [(test, test.grader.grade(row.item, sample)) for test in tests]
        except (GradingFailed, TuneloopError, LookupError, TypeError, ValueError, AttributeError) as error:
            graded, shown = [], sampling.empty(run.model, error=_why(error))
        results = [_result(test, one) for test, one in graded]
        for _, one in graded:
            for model, used in one.usage.items():
                usage[model] = usage.get(model, Usage()) + used
        return EvalItem(
            id=f"outputitem_{run.id.removeprefix('evalrun_')}{position:08d}",
            run_id=run.id,
            eval_id=run.eval_id,
            created_at=time.time(),
            position=position,
            status=_status(graded),
            item=row.item,
            sample=shown,
            results=results,
            usage={model: asdict(used) for model, used in usage.items()},
        )

    def _sample(
        self, run: EvalRun, row: Row, gateway: Gateway, usage: dict[str, Usage]
    ) -> tuple[dict[str, Json], dict[str, Json]]:
        if not run.model:
            return sampling.given(row)
        body = sampling.request(run.model, run.data_source, row)
        answer = gateway("/chat/completions", body)
        usage[run.model] = usage_of(answer)
        return sampling.sampled(body, answer)

    def _stopped(self, run: EvalRun) -> bool:
        return runs.status(self.store, run.id) not in ("queued", "in_progress")

    def _fail(self, run: EvalRun, code: str, message: str) -> None:
        runs.end(self.store, run.id, "failed", error={"code": code, "message": message})


def _status(graded: list[tuple[Criterion, Graded]]) -> Literal["pass", "fail", "error"]:
    if not graded or any(one.failed for _, one in graded):
        return "error"
    return "pass" if all(test.passes(one) for test, one in graded) else "fail"


def _result(test: Criterion, graded: Graded) -> dict[str, Json]:
    """A result of OpenAI's output item; `errors`, `sub_rewards` and `notes` are those of a grader's run, where there
    are any."""
    result: dict[str, Json] = {
        "name": graded.name,
        "type": graded.type,
        "passed": test.passes(graded),
        "score": graded.reward,
        "sample": graded.sample,
    }
    if graded.failed:
        result["errors"] = graded.errors
        result["message"] = "; ".join(failure.details for failure in graded.failures)
    more = {"sub_rewards": dict(graded.sub_rewards), "notes": dict(graded.notes)}
    return result | {name: value for name, value in more.items() if value}


def _why(error: Exception) -> dict[str, Json]:
    if isinstance(error, GradingFailed):
        return {"code": error.failure.error, "message": error.failure.details}
    if isinstance(error, TuneloopError):
        return {"code": error.code or "sampling_error", "message": error.message}
    return {"code": "sampling_error", "message": f"{type(error).__name__}: {error}"}
