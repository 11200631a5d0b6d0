"""A data set at the doctor's: its examination, which is made in the background, and what becomes of it under the fixes
that somebody chose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuneloop import doctor
from tuneloop.checks import page, treatment
from tuneloop.checks.examination import Ranked
from tuneloop.checks.findings import Finding, FixName
from tuneloop.doctor import Report
from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.executors.background import Task
from tuneloop.loop import Loop
from tuneloop.types import Dataset

#: what stands for no fix
LEAVE = "leave"
FIX_WORDS: Mapping[str, str] = {
    "drop": "Leave them out",
    "keep_one": "Keep the first",
    "keep_majority": "Keep the majority",
    "take_correction": "Take the correction",
    "repair": "Repair the answer",
    "mask": "Mask it",
    "move": "Move to train",
    "cut": "Cut them short",
    LEAVE: "Do nothing",
}
#: what says whether the task is one for tuning at all
_TASK = ("knowledge", "suitable")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What a page says of a report."""

    counts: Mapping[str, int]
    costs: list[str]
    #: whether it is what the doctor suggests
    suggested: bool


def begin(loop: Loop, name: str) -> tuple[Dataset, Task]:
    """A data set, by name or id, and its examination, which begins unless it was begun. Raises NotFound."""
    dataset = loop.store.datasets.named(name)
    return dataset, loop.background.begin(_task(dataset), doctor.examine_dataset, loop.settings, dataset.id)


def look(loop: Loop, dataset: Dataset) -> Task:
    """How far its examination is."""
    return loop.background.find(_task(dataset)) or Task(state="failed", error="it is forgotten here; begin it again")


def report(loop: Loop, dataset: Dataset, fixes: str, *, only: str | None = None) -> Report:
    """What becomes of each row under the chosen fixes ("pii_email:drop,near_duplicate:leave", the suggested ones
    otherwise); with `only` under that of one code alone. Raises Unavailable until the data set is examined."""
    task = loop.background.find(_task(dataset))
    if task is None or task.state != "done":
        raise Unavailable(f"the data set {dataset.name!r} is not examined yet: open its page at the doctor's first")
    plan = _plan(fixes)
    if only is not None:
        plan = treatment.only(plan, only)
    return doctor.decide(doctor.of_dataset(loop, dataset.id), task.result, plan)


def case(loop: Loop, name: str, fixes: str) -> Report:
    """The same of a data set by name or id."""
    return report(loop, loop.store.datasets.named(name), fixes)


def html(found: Report) -> str:
    """A report as a page that needs nothing else."""
    return page.html(found.summary(), found.records())


def choose(fixes: str, code: str, fix: str, suggested: str) -> str:
    """The chosen fixes with another one for a code."""
    chosen = _chosen(fixes)
    chosen.pop(code, None)
    if fix != suggested:
        chosen[code] = fix
    return ",".join(f"{code}:{fix}" for code, fix in chosen.items())


def offered(kind: Ranked, found: Report) -> list[str]:
    """What can be done about a kind of finding, the suggested first; rows without a correction can take none."""
    fixes = [fix for fix in kind.fixes if fix != "take_correction" or found.examination.corrected]
    return [*fixes, LEAVE] if fixes else []


def chosen(kind: Ranked, found: Report) -> str:
    """What is done about a kind of finding."""
    first = next(iter(offered(kind, found)), LEAVE)
    fixes: Mapping[str, FixName | None] = found.plan.fixes
    return (fixes[kind.code] or LEAVE) if kind.code in fixes else first


def about_task(found: Report) -> Finding | None:
    """Whether the task is one that fine-tuning teaches; None when there is too little to tell."""
    return next((one for code in _TASK for one in found.examination.overall if one.code == code), None)


def ranked(found: Report) -> list[Ranked]:
    """All other kinds of finding, the most harmful first."""
    return [kind for kind in found.examination.ranked() if kind.code not in _TASK]


def shown(found: Report) -> Shown:
    """A report's numbers."""
    return Shown(counts=found.counts(), costs=found.costs(), suggested=not found.plan.fixes)


def _task(dataset: Dataset) -> str:
    return f"examine {dataset.id}"


def _plan(fixes: str) -> treatment.Plan:
    pairs = _chosen(fixes)
    leave = [code for code, fix in pairs.items() if fix == LEAVE]
    return treatment.read_plan(leave, [f"{code}={fix}" for code, fix in pairs.items() if fix != LEAVE])


def _chosen(fixes: str) -> dict[str, str]:
    found = {}
    for one in filter(None, fixes.split(",")):
        code, colon, fix = one.partition(":")
        if not colon:
            raise InvalidInput(f"fixes are CODE:FIX with commas between them, not {one!r}", param="fixes")
        found[code] = fix
    return found
