"""Which rows of a report are looked at: where arms disagree, where the candidate is wrong, a group, a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from tuneloop.reports.numbers import Json, Report, Scale, at, listed, table_of, word
from tuneloop.reports.rows import gap, scores

#: the arms score differently; the candidate is wrong, worse than the baseline, better; a call or a grader failed
Which = Literal["disagree", "wrong", "worse", "better", "failed", "all"]
WHICH: tuple[Which, ...] = get_args(Which)
#: a graded answer below it is wrong
_RIGHT = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """The rows that somebody looks for."""

    which: Which = "disagree"
    #: of a group, as `segments` has it ("label", "metadata.channel"), and its value; "" for all rows
    by: str = ""
    value: str = ""
    #: in the question, the right answer or one of the answers
    text: str = ""


def select(report: Report, wanted: Wanted) -> list[Mapping[str, Json]]:
    """The rows, in their order; those where the candidate loses most come first unless all are wanted."""
    scale, text = Scale(report), wanted.text.strip().lower()
    found = [
        result
        for result in listed(report.get("results"))
        if (not wanted.by or group(result, wanted.by) == wanted.value)
        and (not text or text in _said(result))
        and _is(report, scale, result, wanted.which)
    ]
    if wanted.which == "all":
        return found
    return sorted(found, key=lambda result: gap(report, scores(scale, result)) or float("inf"))


def group(result: Mapping[str, Json], by: str) -> str:
    """In which group of a kind a row is: its label, or what its call's metadata say."""
    if by == "label":
        return word(result.get("reference")).strip()
    return word(at(result, "metadata", by.removeprefix("metadata.")))


def _is(report: Report, scale: Scale, result: Mapping[str, Json], which: Which) -> bool:
    scored = scores(scale, result)
    if which in ("worse", "better"):
        change = gap(report, scored)
        return change < 0 if which == "worse" else change > 0
    if which == "wrong":
        score = scored.get(word(report.get("candidate")))
        return score is not None and score < (1 if scale.binary else _RIGHT)
    if which == "failed":
        return any(one.get("error") or one.get("failures") for one in table_of(result.get("answers")).values())
    return which == "all" or len(set(scored.values())) > 1


def _said(result: Mapping[str, Json]) -> str:
    answers = [word(answer.get("text")) for answer in table_of(result.get("answers")).values()]
    return "\n".join([word(result.get("input")), word(result.get("reference")), *answers]).lower()
