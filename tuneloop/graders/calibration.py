"""Calibration: from what a judge says to what people say of the same answers, learnt where both have spoken.

Isotonic regression where there are many pairs (Zadrozny and Elkan 2002), a straight line where there are few, none
where there are so few that it would be noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields
from tuneloop.graders.grading import Score, Verdict
from tuneloop.types import Json

#: pairs that a map is made of at least, and from how many on it may bend
FEWEST, MANY = 20, 100


def fit(judge: Sequence[float], people: Sequence[float]) -> dict[str, Json]:
    """The map as a grader's `calibration`: {"judge": [...], "people": [...], "rows"}, points to go straight between.

    Never falls: a judge who is right the wrong way round is of no use. Raises InvalidInput, with words, for what
    nothing can be learnt from.
    """
    rows = len(judge)
    if rows < FEWEST:
        raise InvalidInput(
            f"{rows} answers have both the judge's and a person's score, and a calibration needs {FEWEST}: "
            "let people score more of what the judge has scored"
        )
    if len(set(judge)) < 2 or len(set(people)) < 2:
        who = "the judge" if len(set(judge)) < 2 else "people"
        raise InvalidInput(f"{who} gave all {rows} answers the same score: there is nothing to learn from that")
    xs, ys = _isotonic(judge, people) if rows >= MANY else _line(judge, people)
    if not _agree(judge, people) or ys[-1] <= ys[0]:
        raise InvalidInput(f"over {rows} answers, people do not agree with the judge more than by chance: change it")
    return {"judge": xs, "people": ys, "rows": rows}


def calibrated(score: Score, given: Json, param: str) -> Score:
    """The same score on people's scale; `notes.uncalibrated` has the judge's own. Raises InvalidInput."""
    holder = fields.mapping(given, param)
    xs, ys = (_numbers(holder, name, param) for name in ("judge", "people"))
    if len(xs) < 2 or len(xs) != len(ys) or any(left >= right for left, right in pairwise(xs)):
        message = f"'{param}.judge' must be two numbers or more that rise, and '{param}.people' have as many numbers"
        raise InvalidInput(message, param=f"{param}.judge")

    def mapped(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        verdict = score(item, sample)
        if verdict.failures:
            return verdict
        notes = {**verdict.notes, "uncalibrated": verdict.reward}
        return replace(verdict, reward=between(verdict.reward, xs, ys), notes=notes)

    return mapped


def between(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The value at `x` of the line through the points, flat beyond its ends."""
    if x <= xs[0]:
        return ys[0]
    for (left, right), (low, high) in zip(pairwise(xs), pairwise(ys), strict=True):
        if x <= right:
            return low + (high - low) * (x - left) / (right - left)
    return ys[-1]


def _numbers(holder: Mapping[str, Json], name: str, param: str) -> list[float]:
    found = fields.array(holder, name, param)
    return [fields.number(value, f"{param}.{name}[{index}]") for index, value in enumerate(found)]


def _agree(judge: Sequence[float], people: Sequence[float]) -> bool:
    """Whether their ranks rise together, at the level of 5 %."""
    from scipy.stats import spearmanr

    return bool(spearmanr(judge, people, alternative="greater").pvalue < 0.05)


def _isotonic(judge: Sequence[float], people: Sequence[float]) -> tuple[list[float], list[float]]:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(out_of_bounds="clip").fit(judge, people)
    return [float(x) for x in model.X_thresholds_], [float(y) for y in model.y_thresholds_]


def _line(judge: Sequence[float], people: Sequence[float]) -> tuple[list[float], list[float]]:
    """Least squares, within what people say."""
    from scipy.stats import linregress

    fitted = linregress(judge, people)
    slope, intercept = float(fitted.slope), float(fitted.intercept)
    first, last, low, high = min(judge), max(judge), min(people), max(people)
    ends = {(y - intercept) / slope for y in (low, high)} if slope > 0 else set()
    xs = sorted({first, last, *(x for x in ends if first < x < last)})
    return xs, [min(high, max(low, intercept + slope * x)) for x in xs]
