"""The grounds of a verdict, in words: what a sceptic would ask next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuneloop.evaluations.scored import Scored
from tuneloop.evaluations.words import is_real
from tuneloop.reports.numbers import Scale, arm_named, at, listed, number, plural, word
from tuneloop.types import Json

#: A loss of less than this in a group is not worth a word while chance may explain it.
_STRIKING = 0.1
_MOST_SEGMENTS = 3
#: the share of right answers from which on facts count as learnt
_KNOWN = 0.5


def reasons(report: Mapping[str, Json], scores: Scored, margin: float) -> list[str]:
    """Why the verdict is what it is, and what speaks against it."""
    return [*_quality(report, margin), *_groups(report, margin), *_rivals(report, scores), *mishaps(report, scores)]


def mishaps(report: Mapping[str, Json], scores: Scored) -> list[str]:
    """What went wrong: failed calls, answers that could not be graded, rows left out."""
    found = [failed(arm, report) for arm in listed(report.get("arms")) if failures(arm, report)]
    for name, given in scores.arms.items():
        missing = len(given) - len(scores.known(name))
        if missing:
            found.append(f"{plural(missing, 'answer')} of {name} could not be graded and {_count(missing)} left out")
    skipped = len(listed(report.get("skipped")))
    if skipped:
        found.append(f"{plural(skipped, 'malformed row')} {_count(skipped)} left out for every arm")
    return [f"{one}." for one in found]


def failures(arm: Mapping[str, Json], report: Mapping[str, Json]) -> int:
    """How many calls to an arm failed, those without an answer in time among them."""
    counted = number(arm.get("errors"))
    if counted is not None:
        return round(counted)
    return sum(at(row, "answers", word(arm.get("name")), "error") is not None for row in listed(report.get("results")))


def failed(arm: Mapping[str, Json], report: Mapping[str, Json]) -> str:
    """ "3 of 77 calls to tuned failed (2 without an answer in time)"."""
    late = number(arm.get("timeouts")) or 0
    end = f" ({late:,.0f} without an answer in time)" if late else ""
    rows = len(listed(report.get("results")))
    return f"{failures(arm, report):,} of {rows:,} calls to {word(arm.get('name'), '?')} failed{end}"


def unlearnt(arm: Mapping[str, Json], report: Mapping[str, Json]) -> str | None:
    """Why an arm is no answer to a task that asks for facts (`suitability`): most of what it says is wrong; None for
    other tasks, and where half of the answers and more are right."""
    if word(at(report, "suitability", "kind")) != "knowledge":
        return None
    right = _right(word(arm.get("name")), report)
    if right is not None and right >= _KNOWN:
        return None
    share = "no grader says how many it gets right" if right is None else f"it gets {right:.0%} of the rows right"
    return (
        f"Of the rows it was tuned on, {word(at(report, 'suitability', 'message'))}; {share}. Tuning a small model "
        "does not teach facts: give them in the prompt, with a search over your documents."
    )


def _right(arm: str | None, report: Mapping[str, Json]) -> float | None:
    """The share of answers that the best of those graders has for right that know right and wrong alone."""
    shares = []
    for grader in listed(report.get("graders")):
        given = [at(row, "answers", arm or "", "scores", word(grader.get("name"))) for row in listed(report["results"])]
        if given and all(score in (0, 1) for score in given):
            shares.append(sum(given) / len(given))
    return max(shares, default=None)


def interval(difference: Mapping[str, Json], report: Mapping[str, Json]) -> str:
    """ "95 % interval 50 to 73"."""
    level = number(difference.get("level")) or number(report.get("level")) or 0.95
    return f"{100 * level:.4g} % interval {Scale(report).between(difference)}"


def is_lost(segment: Mapping[str, Json], report: Mapping[str, Json], margin: float) -> bool:
    """Whether the candidate is proven to lose more than the margin in this group.

    A label is not lost where it is named more precisely in return: a model that gives every call the same label has all
    rows of that label right. Then its F1 is the fairer measure.
    """
    return segment["flag"] == "worse" and segment["difference"]["high"] < -margin and not _outweighed(segment, report)


def loss(segment: Mapping[str, Json], report: Mapping[str, Json]) -> str:
    """ "where language is de it is worse: -40 points on 25 rows (99.5 % interval -60 to -12)"."""
    return f"where {_named(segment)} it is worse: {_change(segment, report)}"


def _quality(report: Mapping[str, Json], margin: float) -> Iterator[str]:
    difference, scale = at(arm_named(report, "candidate"), "difference"), Scale(report)
    low, high = difference["low"], difference["high"]
    if low > 0 and is_real(difference):
        yield f"The gain is more than chance: {interval(difference, report)}, {_p_value(difference)}."
    elif high < 0 and is_real(difference):
        yield f"The loss is more than chance: {interval(difference, report)}, {_p_value(difference)}."
    else:
        yield f"Chance may explain the difference: {interval(difference, report)}, {_p_value(difference)}."
    if low <= -margin <= high:
        accepted = f"up to {scale.change(margin).lstrip('+')}" if margin else "none"
        yield f"The interval still allows a loss of {scale.change(-low).lstrip('+')}; you accept {accepted}."


def _p_value(difference: Mapping[str, Json]) -> str:
    p_value, adjusted = difference["p_value"], difference["p_adjusted"]
    said = "p below 0.0001" if adjusted < 0.0001 else f"p = {adjusted:.2g}"
    return said if p_value == adjusted else f"{said} (corrected for the number of arms)"


def _groups(report: Mapping[str, Json], margin: float) -> Iterator[str]:
    found = [one for one in report["segments"] if one["difference"] is not None]
    found.sort(key=lambda one: one["difference"]["mean"] * one["rows"])
    worse = [one for one in found if one["flag"] == "worse"]
    doubtful = [one for one in found if one["flag"] is None and one["difference"]["mean"] <= -max(margin, _STRIKING)]
    for one in worse[:_MOST_SEGMENTS]:
        end = ", though its F1 did not fall: it was named too often before" if _outweighed(one, report) else ""
        yield f"W{loss(one, report)[1:]}{end}."
    if len(worse) > _MOST_SEGMENTS:
        yield f"It is worse in {plural(len(worse) - _MOST_SEGMENTS, 'more group')}."
    for one in doubtful[:_MOST_SEGMENTS]:
        yield f"Where {_named(one)} it may be worse, too few rows to be sure: {_change(one, report)}."
    if len(doubtful) > _MOST_SEGMENTS:
        yield f"So it may in {plural(len(doubtful) - _MOST_SEGMENTS, 'more group')}."


def _rivals(report: Mapping[str, Json], scores: Scored) -> Iterator[str]:
    candidate, baseline = word(report["candidate"]), word(report["baseline"])
    others = [name for name in scores.arms if name not in (candidate, baseline)]
    name = max(others, key=lambda other: _ahead(scores, candidate, other), default="")
    if _ahead(scores, candidate, name) > 0 and (difference := scores.difference(candidate, name)):
        change = f"{Scale(report).change(difference['mean'])} ({interval(difference, report)})"
        yield f"{name} scores higher than {candidate}: {change}."
    for other in others:
        lead = scores.difference(other, candidate)
        if lead is not None and lead["low"] > 0:
            yield f"{candidate} is ahead of {other}: {Scale(report).change(lead['mean'])} ({interval(lead, report)})."
    if others:
        yield (
            f"{len(others) + 1} arms were compared with {baseline}: p-values are corrected for that, an interval holds "
            "for its own arm."
        )


def _ahead(scores: Scored, arm: str, other: str) -> float:
    """By how much the other's mean is higher, on the rows that could be graded for both."""
    before, after = scores.pairs(arm, other)
    return (sum(after) - sum(before)) / len(after) if after else 0.0


def _outweighed(segment: Mapping[str, Json], report: Mapping[str, Json]) -> bool:
    if segment["by"] != "label":
        return False
    arms = (arm_named(report, "baseline"), arm_named(report, "candidate"))
    before, after = (number(at(arm, "classes", segment["value"], "f1")) for arm in arms)
    return before is not None and after is not None and after >= before


def _named(segment: Mapping[str, Json]) -> str:
    return f"{str(segment['by']).removeprefix('metadata.')} is {segment['value']}"


def _change(segment: Mapping[str, Json], report: Mapping[str, Json]) -> str:
    difference = segment["difference"]
    change = Scale(report).change(difference["mean"])
    return f"{change} on {plural(segment['rows'], 'row')} ({interval(difference, report)})"


def _count(number: int) -> str:
    return "was" if number == 1 else "were"
