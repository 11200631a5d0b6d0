"""How far a grader agrees with people: where both have scored the same Logs; and a version put right by that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneloop.errors import InvalidInput
from tuneloop.filters import All, Condition, Tree
from tuneloop.grader_types import GraderVersion
from tuneloop.graders import Grader, calibration, read
from tuneloop.grading import logs, versions
from tuneloop.store import Store
from tuneloop.types import Json, Score

EVERYTHING: Tree = All(())
#: what people say instead of a number
_WORDS = {"good": 1.0, "up": 1.0, "true": 1.0, "yes": 1.0, "bad": 0.0, "down": 0.0, "false": 0.0, "no": 0.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """What a grader and people said of the same Logs, in the same order, and how alike it is."""

    judge: Sequence[float]
    people: Sequence[float]
    #: rank correlation, and Cohen's kappa of good or bad; None where there is none: too few, or all the same
    spearman: float | None
    kappa: float | None
    #: share of the Logs of which both say good, or both bad
    same: float | None

    @property
    def rows(self) -> int:
        """Logs that both have scored."""
        return len(self.judge)


def agreement(store: Store, version: GraderVersion, *, against: str = "rating", where: Tree = EVERYTHING) -> Agreement:
    """How far a version agrees with the scores that people gave under the name `against`, among the Logs that match.

    Good and bad are what is above the middle of a scale and what is not: of the judge's range, and of 0 to 1 or of what
    people gave.
    """
    grader = read(version.definition)
    both = All((where, Condition(field="score", key=version.name, op="exists")))
    pairs = []
    for log in store.logs.each(both):
        scores = store.scores.of([log.id])[log.id]
        judged, said = _judged(grader, log.id, scores), _said(scores, against)
        if judged is not None and said is not None:
            pairs.append((judged, said))
    judge, people = [one for one, _ in pairs], [other for _, other in pairs]
    verdicts = _verdicts(judge, version.definition.get("range")), _verdicts(people, None)
    return Agreement(
        judge=judge,
        people=people,
        spearman=_spearman(judge, people),
        kappa=_kappa(*verdicts),
        same=_share(*verdicts) if pairs else None,
    )


def calibrate(
    store: Store, version: GraderVersion, *, against: str = "rating", where: Tree = EVERYTHING
) -> GraderVersion:
    """A new version whose scores are on people's scale, learnt from the Logs that both have scored.

    Raises InvalidInput, with words, where these are too few or say nothing.
    """
    plain = {name: value for name, value in version.definition.items() if name != "calibration"}
    found = agreement(store, replace(version, definition=plain), against=against, where=where)
    if not found.rows:
        raise InvalidInput(
            f"no log has both a score of {version.reference} and people's {against!r}: `tuneloop graders run "
            f"{version.name}` gives the one, `tuneloop feedback` the other"
        )
    fitted = calibration.fit(found.judge, found.people)
    note = f"calibrated on {found.rows} logs against {against}"
    return versions.add(store, version.name, {**plain, "calibration": fitted}, note)


def _judged(grader: Grader, log_id: str, scores: Sequence[Score]) -> float | None:
    wanted = logs.score_id(grader, log_id)
    return next((_number(score.value) for score in scores if score.id == wanted), None)


def _said(scores: Sequence[Score], name: str) -> float | None:
    """The newest of what people gave under a name, as a number."""
    said = [_number(score.value) for score in scores if score.name == name and score.source in ("user", "annotator")]
    known = [number for number in said if number is not None]
    return known[-1] if known else None


def _number(value: Json) -> float | None:
    if isinstance(value, str):
        return _WORDS.get(value.strip().casefold())
    return None if value is None else float(value)


def _verdicts(values: Sequence[float], scale: Json) -> list[bool]:
    low, high = scale or (0.0, 1.0)
    if values and not (low <= min(values) and max(values) <= high):
        low, high = min(values), max(values)
    return [value > (low + high) / 2 for value in values]


def _spearman(one: Sequence[float], other: Sequence[float]) -> float | None:
    if len(set(one)) < 2 or len(set(other)) < 2:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def _share(one: Sequence[bool], other: Sequence[bool]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _kappa(one: Sequence[bool], other: Sequence[bool]) -> float | None:
    """Cohen 1960: agreement beyond what two that guess at their own rates would have."""
    if not one:
        return None
    first, second = sum(one) / len(one), sum(other) / len(other)
    by_chance = first * second + (1 - first) * (1 - second)
    return None if by_chance == 1 else (_share(one, other) - by_chance) / (1 - by_chance)
