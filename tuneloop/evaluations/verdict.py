"""The verdict: may the candidate take over from what answers today? Pure: from a report with every row's scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tuneloop import statistics
from tuneloop.evaluations import grounds
from tuneloop.evaluations.scored import Scored, scored
from tuneloop.evaluations.segments import segments
from tuneloop.evaluations.words import about, is_real, saving, speed
from tuneloop.reports.numbers import Scale, arm_named, listed, number, plural, word
from tuneloop.types import Json

#: A larger share of failed calls, or of rows that could not be graded, is a matter of its own.
_MOST_FAILED = 0.05


def judge(report: Mapping[str, Any]) -> dict[str, Json]:
    """The report with its arms' "interval", "difference" (to the baseline) and "lead" (of the candidate over them), its
    "segments" and its "verdict" filled in.

    The answer is "yes" when the interval of the candidate's difference to the baseline lies above -margin (it is not
    inferior; Piaggio et al. 2012) and no segment is proven to lose more; "no" when the interval lies below -margin, a
    segment is proven to lose more than the margin, calls failed too often, or the task is knowledge that was not
    learnt; else "needs_more" rows; None when there is nothing to judge by. A wrong "yes" comes at most as often as
    half of what the level leaves: 2.5 % at 0.95.

    Nothing in the report need be known; what is odd is left out.
    """
    scores = scored(report)
    baseline = word(report.get("baseline")) or next(iter(scores.arms), None)
    candidate = word(report.get("candidate")) or None
    judged = {
        **report,
        "baseline": baseline,
        "candidate": candidate,
        "arms": _compared(report, scores, baseline, candidate),
        "segments": segments(report, scores, baseline, candidate),
    }
    return {**judged, "verdict": _verdict(judged, scores)}


def _compared(
    report: Mapping[str, Any], scores: Scored, baseline: str | None, candidate: str | None
) -> list[dict[str, Json]]:
    arms: list[dict[str, Json]] = [dict(arm) for arm in listed(report.get("arms"))]
    for arm in arms:
        name = word(arm.get("name"))
        arm["interval"] = scores.interval(name)
        arm["difference"] = None if name == baseline else scores.difference(baseline or "", name)
        arm["lead"] = None if name == candidate else scores.difference(name, candidate or "")
    for key in ("difference", "lead"):
        found = [arm[key] for arm in arms if arm[key] is not None]
        for difference, adjusted in zip(found, statistics.holm([d["p_value"] for d in found]), strict=True):
            difference["p_adjusted"] = adjusted
    return arms


@dataclass(frozen=True, slots=True)
class _Case:
    """What a verdict is found on: both arms are there and have been compared."""

    report: Mapping[str, Json]
    baseline: Mapping[str, Json]
    candidate: Mapping[str, Json]
    difference: Mapping[str, Json]
    scores: Scored
    margin: float

    @property
    def non_inferior(self) -> bool:
        return bool(self.difference["low"] > -self.margin)

    @property
    def superior(self) -> bool:
        return bool(self.difference["mean"] > 0 and is_real(self.difference))

    @property
    def inferior(self) -> bool:
        return bool(self.difference["high"] < -self.margin)

    def rows_needed(self) -> int | None:
        """Rows beside those there are."""
        pairs = self.scores.pairs(self.baseline["name"], self.candidate["name"])
        wanted = statistics.rows_needed(*pairs, self.margin, level=self.scores.level, bounds=self.scores.bounds)
        return None if wanted is None else max(1, wanted - len(pairs.before))


class _Finding(NamedTuple):
    answer: Literal["yes", "no", "needs_more"] | None
    sentence: str
    rows_needed: int | None = None


def _verdict(report: Mapping[str, Json], scores: Scored) -> dict[str, Json]:
    margin = max(0.0, number(report.get("margin")) or 0.0)
    unknown = _unknown(report, scores)
    baseline, candidate = arm_named(report, "baseline"), arm_named(report, "candidate")
    difference = candidate and candidate["difference"]
    finding, non_inferior, superior = _Finding(None, f"No verdict: {unknown}."), False, False
    reasons = grounds.mishaps(report, scores)
    if baseline is not None and candidate is not None and difference is not None:
        case = _Case(report, baseline, candidate, difference, scores, margin)
        non_inferior, superior = case.non_inferior, case.superior
        reasons = grounds.reasons(report, scores, margin)
        finding = _Finding(None, f"{finding.sentence} {_claim(case)}") if unknown else _found(case)
    return {
        **finding._asdict(),
        "reasons": reasons,
        "non_inferior": non_inferior,
        "superior": superior,
        "margin": margin,
    }


def _found(case: _Case) -> _Finding:
    """Speaks against it first: a "no" that is proven beats a "yes"."""
    report, candidate = case.report, case.candidate
    lost = next((one for one in report["segments"] if grounds.is_lost(one, report, case.margin)), None)
    if _failed(candidate, report) > _MOST_FAILED:
        return _Finding("no", _refused(case, f"{grounds.failed(candidate, report)}."))
    if (unlearnt := grounds.unlearnt(candidate, report)) is not None:
        return _Finding("no", f"No: this is knowledge, not a skill. {_claim(case)} {unlearnt}")
    if case.inferior:
        return _Finding("no", _refused(case, f"It loses more than {_accepted(case)}."))
    if lost is not None:
        return _Finding("no", _refused(case, f"But {grounds.loss(lost, report)}."))
    if case.non_inferior:
        return _Finding("yes", _agreed(case))
    rows = case.rows_needed()
    return _Finding("needs_more", _undecided(case, rows), rows)


def _unknown(report: Mapping[str, Json], scores: Scored) -> str | None:
    """Why these rows can show neither this nor that."""
    baseline, candidate = arm_named(report, "baseline"), arm_named(report, "candidate")
    if baseline is None or candidate is None or baseline is candidate:
        return "there are no two arms, a baseline and a candidate, to compare"
    rows = len(listed(report.get("results")))
    graded = len(scores.pairs(baseline["name"], candidate["name"]).before)
    if not graded:
        return "no row could be graded for both arms"
    if _failed(baseline, report) > _MOST_FAILED:
        return f"{grounds.failed(baseline, report)}, so what answers today is not known; compare again"
    if rows - graded > _MOST_FAILED * rows:
        return f"{plural(rows - graded, 'row')} of {rows} could not be graded; repair the grader and compare again"
    return None


def _failed(arm: Mapping[str, Json], report: Mapping[str, Json]) -> float:
    return grounds.failures(arm, report) / max(1, len(listed(report.get("results"))))


def _claim(case: _Case) -> str:
    """ "It answers 74 % of 77 unseen calls right, prompted 12 %: +62 points (95 % interval 50 to 73)." """
    scale, name = Scale(case.report), case.baseline["name"]
    before, after = case.scores.pairs(name, case.candidate["name"])
    means = [scale.score(sum(scores) / len(scores)) for scores in (after, before)]
    if scale.binary:
        claim = f"It answers {means[0]} of {len(after):,} unseen calls right, {name} {means[1]}"
    else:
        claim = f"It scores {means[0]} ({scale.name}) on {len(after):,} unseen calls, {name} {means[1]}"
    change = f"{scale.change(case.difference['mean'])} ({grounds.interval(case.difference, case.report)})"
    parts = [f"{claim}: {change}", speed(case.baseline, case.candidate), saving(case.baseline, case.candidate)]
    return ", ".join(filter(None, parts)) + "."


def _agreed(case: _Case) -> str:
    sentence = f"Yes: {case.candidate['name']} may take over from {case.baseline['name']}. {_claim(case)}"
    if case.difference["low"] > 0:
        return sentence
    lost = Scale(case.report).change(-case.difference["low"]).lstrip("+")
    return f"{sentence} It may still lose up to {lost}: less than {_accepted(case)}."


def _accepted(case: _Case) -> str:
    if not case.margin:
        return "the loss that you accept, which is none"
    return f"the {Scale(case.report).change(case.margin).lstrip('+')} that you accept"


def _refused(case: _Case, why: str) -> str:
    start = f"No: {case.candidate['name']} should not take over from {case.baseline['name']}."
    return f"{start} {_claim(case)} {why}"


def _undecided(case: _Case, rows: int | None) -> str:
    names = f"{case.candidate['name']} may take over from {case.baseline['name']}"
    start = f"Not yet: {case.difference['rows']:,} rows cannot tell whether {names}."
    if rows is None:
        end = "What it seems to lose is about what you accept or more: more rows would hardly make it a yes."
    else:
        end = f"If it is as it seems, {about(rows)} more would likely show it."
    return f"{start} {_claim(case)} {end}"
