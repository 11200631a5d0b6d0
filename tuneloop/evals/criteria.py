"""Testing criteria: graders, and from which score on an answer passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuneloop import fields
from tuneloop.errors import InvalidInput
from tuneloop.graders import Ask, Graded, Grader, RunPython
from tuneloop.graders import read as read_grader
from tuneloop.graders.fields import number
from tuneloop.graders.human import People
from tuneloop.types import Json

_NAME = "testing_criteria"


@dataclass(frozen=True, kw_only=True, slots=True)
class Criterion:
    """One thing that is tested."""

    grader: Grader
    #: the least score that passes
    threshold: float

    def passes(self, graded: Graded) -> bool:
        """Whether the grader could grade, and found the answer good enough."""
        return not graded.failed and graded.reward >= self.threshold


def read(
    given: Json, *, ask: Ask | None = None, run_python: RunPython | None = None, people: People | None = None
) -> list[Criterion]:
    """The criteria of OpenAI's JSON. Raises InvalidInput naming the parameter."""
    listed: list[Json] = fields.typed(fields.required({_NAME: given}, _NAME), list, _NAME)
    if not listed:
        raise InvalidInput(f"Invalid '{_NAME}': empty array.", param=_NAME, code="empty_array")
    criteria = []
    for index, criterion in enumerate(listed):
        param = f"{_NAME}[{index}]"
        grader = read_grader(criterion, ask=ask, run_python=run_python, people=people, param=param)
        criteria.append(Criterion(grader=grader, threshold=_threshold(grader, param)))
    return criteria


def _threshold(grader: Grader, param: str) -> float:
    """`pass_threshold`, which text_similarity must have; else 1 where a grader says yes or no, or half of its range."""
    criterion = grader.definition
    where, given = f"{param}.pass_threshold", criterion.get("pass_threshold")
    if grader.type != "text_similarity":
        if grader.binary:
            return 1.0
        if given is None:
            low, high = _range(criterion)
            return (low + high) / 2
    return number(given, where)


def _range(criterion: Mapping[str, Json]) -> tuple[float, float]:
    """From the least to the highest score: people's, where it is calibrated to theirs."""
    calibration = criterion.get("calibration")
    low, *_, high = calibration["people"] if calibration else criterion.get("range") or (0, 1)
    return float(low), float(high)
