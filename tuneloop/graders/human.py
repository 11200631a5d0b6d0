"""human: what a person says of exactly this content; until somebody has, a recorded failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields, scales, templates
from tuneloop.graders.grading import GradingFailed, Score, Verdict
from tuneloop.types import Json

#: begins the details of the failure that says nobody has judged yet
PENDING = "pending"


class Question(NamedTuple):
    """What a person is asked: about which texts, and what may be said."""

    #: the grader's name
    name: str
    question: str
    #: what is shown, the answer last
    shown: Sequence[str]
    #: of labels: all, and those that pass; empty where a number is asked for
    labels: Sequence[str]
    passing: Sequence[str]
    #: of a number
    low: float
    high: float
    #: the id of the row or log
    subject: str | None

    def value(self, said: Json, param: str = "value") -> float:
        """The reward of what a person said: a label, or a number in range. Raises InvalidInput."""
        if not self.labels:
            return fields.number(said, param, self.low, self.high)
        if said not in self.labels:
            raise InvalidInput(f"'{param}' must be one of {', '.join(self.labels)}, not {said!r}", param=param)
        return float(said in self.passing)


#: Looks up what a person said of a question: the reward, or None; then somebody is asked.
People = Callable[[Question], float | None]


def human(grader: Mapping[str, Json], param: str, people: People | None) -> Score:
    """1 for a passing label, else 0; with `range` the number. Raises InvalidInput."""
    question = templates.text(grader, "question", param)
    shown = [templates.text(grader, name, param) for name in ("context", "input") if grader.get(name) is not None]
    labels, passing, (low, high) = _scale(grader, param)

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        if people is None:
            raise GradingFailed("other_error", f"{PENDING}: nobody can be asked here")
        texts = [_filled(text, item, sample, must=text == shown[-1]) for text in shown]
        subject = item.get("id")
        asked = Question(
            name=str(grader["name"]),
            question=templates.fill(question, item, sample),
            shown=[text for text in texts if text],
            labels=labels,
            passing=passing,
            low=low,
            high=high,
            subject=subject if isinstance(subject, str) else None,
        )
        said = people(asked)
        if said is None:
            raise GradingFailed("other_error", f"{PENDING}: nobody has judged this yet")
        return Verdict(reward=said)

    return score


def _filled(text: str, item: Mapping[str, Json], sample: Mapping[str, Json], *, must: bool) -> str:
    try:
        return templates.fill(text, item, sample)
    except GradingFailed:
        if must:
            raise
        return ""  # a row without what is shown beside the answer


def _scale(grader: Mapping[str, Json], param: str) -> tuple[list[str], list[str], tuple[float, float]]:
    if grader.get("range") is not None:
        return [], [], scales.number_range(grader["range"], f"{param}.range")
    labels = fields.texts(grader, "labels", param)
    return labels, scales.passing_labels(grader, labels, param), (0.0, 1.0)
