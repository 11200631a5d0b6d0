"""The learning curve of a report: what more training rows would likely give, or that data is not the problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tuneloop import statistics
from tuneloop.statistics import Forecast, Interval, Point
from tuneloop.types import Json

#: rows more than there are that the forecast is for
MORE = 500
#: a gain below this is not worth five hundred rows of work
_WORTH = 0.01


class Trained(NamedTuple):
    """A model trained on so many rows, and its scores on the held-out rows, the same ones for each model."""

    share: float
    rows: int
    scores: Sequence[float]


def learning_curve(trained: Sequence[Trained], *, binary: bool, level: float) -> dict[str, Json] | None:
    """The part "learning_curve" of a report, from models trained on more and more rows; None for fewer than two."""
    trained = sorted(trained, key=lambda one: one.rows)
    if len(trained) < 2 or not trained[0].scores:
        return None
    points = [(one, _interval(one.scores, binary, level)) for one in trained]
    try:
        found = statistics.forecast(
            [Point(one.rows, mean.mean, _error(one.scores)) for one, mean in points],
            trained[-1].rows + MORE,
            scores=[one.scores for one in trained],
            level=level,
        )
    except ValueError:  # no curve that rises explains them
        found = None
    return {
        "points": [{"share": one.share, "rows": one.rows, **mean._asdict()} for one, mean in points],
        "forecast": None if found is None else {"rows": found.rows, **found.quality._asdict()},
        "gain": None if found is None else found.gain._asdict(),
        "sentence": _sentence(found, binary),
    }


def _interval(scores: Sequence[float], binary: bool, level: float) -> Interval:
    if binary:
        return statistics.wilson(round(sum(scores)), len(scores), level=level)
    return statistics.bootstrap_mean(scores, level=level)


def _error(scores: Sequence[float]) -> float:
    """The standard error of their mean."""
    mean = sum(scores) / len(scores)
    spread = sum((score - mean) ** 2 for score in scores) / max(1, len(scores) - 1)
    return float((spread / len(scores)) ** 0.5)


def _sentence(found: Forecast | None, binary: bool) -> str:
    if found is None:
        return "More rows did not help from one training to the next: data is not what is missing."
    scale, unit, form = (100, " points", ".0f") if binary else (1, "", ".3f")
    gain, low, high = (format(scale * value, form) for value in (found.gain.mean, found.gain.low, found.gain.high))
    said = f"{MORE} more rows would likely give {gain}{unit} (from {low} to {high})"
    if found.gain.high < 2 * _WORTH or found.gain.mean < _WORTH:
        return f"Data is not the problem: {said}."
    return f"More data {'would' if found.gain.low > 0 else 'may'} help: {said}."
