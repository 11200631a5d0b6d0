"""Monitors: graders that look at a share of the new calls while the server runs; kept, so that they go on when it is
started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tuneloop import filters
from tuneloop.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.filters import All, Condition
from tuneloop.grader_types import Monitor
from tuneloop.graders import Grader
from tuneloop.grading import logs, versions
from tuneloop.store import Store
from tuneloop.store import graders as tables
from tuneloop.store.ids import new_id
from tuneloop.types import Json, Log

#: seconds that a call may be under way, or on its way into the database: so far back is looked for new ones
LATE = 900.0
#: seconds between looks that far back; in between only the newest are looked through
LOOK_BACK = 60.0
#: calls that are graded in one round, so that others get their turn
_MOST = 20


def watch(store: Store, grader: str, *, where: str = "", share: float = 1.0) -> Monitor:
    """Let a named grader look at a share of the calls that are made from now on; again changes it. Raises InvalidInput
    and NotFound."""
    logs.check(versions.find(store, grader).definition)
    filters.parse(where)
    if not 0 < share <= 1:
        raise InvalidInput(f"the share must be above 0, at most 1, not {share:g}", param="share")
    known = of(store, grader)
    if known is not None:
        store.monitors.change(known.id, filter=where, share=share, problem=None)
        return store.monitors.get(known.id)
    now = time.time()
    monitor = Monitor(id=new_id("monitor_"), created_at=now, grader=grader, filter=where, share=share, since=now)
    store.monitors.add_new(monitor)
    return of(store, grader) or monitor


def of(store: Store, grader: str) -> Monitor | None:
    """The monitor of a grader, or None."""
    found = store.monitors.all(tables.monitors.c.grader == grader)
    return found[0] if found else None


def stop(store: Store, grader: str) -> Monitor:
    """End a monitor; what it has scored stays. Raises NotFound."""
    monitor = of(store, grader)
    if monitor is None:
        raise NotFound(f"no monitor of the grader {grader!r}: `tuneloop graders list` shows them", param="grader")
    store.monitors.remove(monitor.id)
    return monitor


@dataclass(slots=True)
class Watch:
    """Looks for new calls, round by round; belongs to one thread.

    `read` makes graders; `go_on` is asked before each call is graded, and may take its time or say no.
    """

    store: Store
    read: Callable[[Json], Grader]
    go_on: Callable[[], bool]
    #: by monitor, the calls that were looked at, and when each was made
    _seen: dict[str, dict[str, float]] = field(default_factory=dict)
    #: by monitor, when it looked back
    _back: dict[str, float] = field(default_factory=dict)

    def round(self) -> int:
        """Let every monitor grade some of its new calls; returns how many were graded or failed."""
        return sum(self._look(monitor) for monitor in self.store.monitors.all())

    def _look(self, monitor: Monitor) -> int:
        started = time.time()
        back = started - self._back.get(monitor.id, 0.0) >= LOOK_BACK
        since = monitor.since if back else max(monitor.since, started - 2 * LOOK_BACK)
        try:
            grader = self.read(monitor.grader)
            tree = All((filters.parse(monitor.filter), Condition(field="created_at", op=">", values=(since,))))
        except TuneloopError as error:
            self._say(monitor, error.message)
            return 0
        seen = self._seen.setdefault(monitor.id, {})
        new = [
            (log_id, at)
            for log_id, at in self.store.logs.ids(logs.answered(tree))
            if log_id not in seen and logs.chosen(log_id, monitor.share)
        ]
        done = self._grade(monitor, grader, new[:_MOST])
        if back and len(new) <= _MOST:
            self._settle(monitor, started)
        return done

    def _grade(self, monitor: Monitor, grader: Grader, new: list[tuple[str, float]]) -> int:
        """Oldest first; those that are scored already, before a restart, are only remembered."""
        seen, graded, failed = self._seen[monitor.id], 0, 0
        scores = self.store.scores.of([log_id for log_id, _ in new])
        for log_id, at in new:
            if not self.go_on():
                break
            seen[log_id] = at
            log = self._log(log_id)
            if log is None or logs.was_tried(grader, log_id, scores[log_id]):
                continue
            (one,) = logs.grade(self.store, grader, [log])
            if one is not None and not (one.failed and logs.is_pending(one)):
                graded, failed = graded + (not one.failed), failed + one.failed
        if graded or failed:
            change = {"graded": tables.monitors.c.graded + graded, "failed": tables.monitors.c.failed + failed}
            self.store.monitors.change(monitor.id, **change, problem=None)
        return graded + failed

    def _settle(self, monitor: Monitor, started: float) -> None:
        """Nothing older than LATE before a round that has seen everything can still be new."""
        self._back[monitor.id] = started
        since = started - LATE
        if since <= monitor.since:
            return
        self.store.monitors.change(monitor.id, since=since)
        seen = self._seen[monitor.id]
        self._seen[monitor.id] = {log_id: at for log_id, at in seen.items() if at > since}

    def _log(self, log_id: str) -> Log | None:
        try:
            return self.store.logs.get(log_id)
        except NotFound:
            return None

    def _say(self, monitor: Monitor, problem: str) -> None:
        if monitor.problem != problem:
            self.store.monitors.change(monitor.id, problem=problem)
