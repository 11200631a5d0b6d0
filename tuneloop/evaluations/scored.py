"""The scores in a report: of an arm, and of two arms on the same rows. Any part of a report may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tuneloop import statistics
from tuneloop.reports.numbers import Scale, at, listed, number, word
from tuneloop.types import Json

Scores = list[float | None]


class Pairs(NamedTuple):
    """The scores of two arms on the rows that could be graded for both."""

    before: list[float]
    after: list[float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What the primary grader gave to every arm on every row; None where it failed."""

    arms: dict[str, Scores]
    #: right or wrong, nothing between
    binary: bool
    #: the least and the greatest score there can be
    bounds: tuple[float, float]
    level: float

    def pairs(self, before: str, after: str, rows: Sequence[int] | None = None) -> Pairs:
        """Of these rows, or of all."""
        one, other = self.arms.get(before, []), self.arms.get(after, [])
        found = []
        for row in range(len(one)) if rows is None else rows:
            if row < len(other) and (a := one[row]) is not None and (b := other[row]) is not None:
                found.append((a, b))
        return Pairs([a for a, _ in found], [b for _, b in found])

    def known(self, arm: str) -> list[float]:
        """The scores of the rows that could be graded."""
        return [score for score in self.arms.get(arm, []) if score is not None]

    def interval(self, arm: str) -> dict[str, Json] | None:
        """Of the arm's mean: "low" and "high"."""
        scores = self.known(arm)
        if not scores:
            return None
        if self.binary:
            found = statistics.wilson(sum(score == 1 for score in scores), len(scores), level=self.level)
        else:
            found = statistics.bootstrap_mean(scores, level=self.level, bounds=self.bounds)
        return {"low": found.low, "high": found.high}

    def difference(self, before: str, after: str) -> dict[str, Json] | None:
        """after - before: "mean", "low", "high", "p_value", "test", "better", "worse" and "rows" (all counts)."""
        one, other = pairs = self.pairs(before, after)
        if not one:
            return None
        if self.binary:
            test, p_value = "mcnemar", statistics.mcnemar([s == 1 for s in one], [s == 1 for s in other])
        else:
            test, p_value = "sign_flip", statistics.sign_flip(one, other)
        return {
            **statistics.bootstrap(one, other, level=self.level, bounds=self.bounds)._asdict(),
            "p_value": p_value,
            "test": test,
            "better": sum(b > a for a, b in zip(one, other, strict=True)),
            "worse": sum(b < a for a, b in zip(one, other, strict=True)),
            "rows": len(pairs.before),
        }


def scored(report: Json) -> Scored:
    """The scores of a report. A call that failed is worth nothing, whether or not its row says so."""
    scale, results = Scale(report), listed(report.get("results"))
    names = [name for arm in listed(report.get("arms")) if (name := word(arm.get("name")))]
    arms = {name: [_score(row, name, scale.name) for row in results] for name in names}
    given = [score for scores in arms.values() for score in scores if score is not None]
    level = number(report.get("level"))
    return Scored(
        arms=arms,
        binary=scale.binary and all(score in (0, 1) for score in given),
        bounds=(min([0.0, *given]), max([1.0, *given])),
        level=level if level is not None and 0 < level < 1 else 0.95,
    )


def _score(row: Json, arm: str, primary: str) -> float | None:
    score = at(row, "answers", arm, "scores", primary)
    if isinstance(score, bool):
        return float(score)
    known = number(score)
    return 0.0 if known is None and at(row, "answers", arm, "error") is not None else known
