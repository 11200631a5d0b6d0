"""Graders: how good an answer is, seen beside the reference. One kind a file; all are pure.

A grader that cannot grade raises; whoever runs it records the failure and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tuneloop.graders.chrf import Chrf
from tuneloop.graders.exact import ExactMatch
from tuneloop.graders.json_match import JsonFields, JsonMatch, is_structured
from tuneloop.graders.labels import LabelAccuracy, are_labels
from tuneloop.graders.rouge import RougeL

__all__ = [
    "GRADERS",
    "Chrf",
    "ExactMatch",
    "Grader",
    "Graders",
    "JsonFields",
    "JsonMatch",
    "LabelAccuracy",
    "RougeL",
    "pick",
]

#: The share of references that must look alike for the task to be of their kind: real logs hold the odd apology.
MOST = 0.95


class Grader(Protocol):
    """Compares an answer with its reference."""

    @property
    def name(self) -> str:
        """The metric's name in reports."""
        ...

    @property
    def binary(self) -> bool:
        """Whether every score is 0 (wrong) or 1 (right)."""
        ...

    def grade(self, answer: str, reference: str) -> float:
        """From 0 (nothing right) to 1 (as good as the reference). Raises when it cannot tell."""
        ...


#: every grader under its name
GRADERS: Mapping[str, Grader] = {
    grader.name: grader for grader in (ExactMatch(), LabelAccuracy(), JsonMatch(), JsonFields(), Chrf(), RougeL())
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Graders:
    """The graders of a task. `primary` decides, the others are reported beside it."""

    primary: Grader
    others: Sequence[Grader] = ()

    @property
    def all(self) -> tuple[Grader, ...]:
        """The primary one first."""
        return (self.primary, *self.others)


def pick(references: Sequence[str]) -> Graders:
    """The graders that suit these reference answers; give it those of the whole data set, not only the held-out ones.

    JSON objects and arrays are compared parsed; few distinct short answers are labels; anything else is prose, where
    chrF decides. One odd reference in twenty does not change what the task is.
    """
    if references and sum(map(is_structured, references)) >= MOST * len(references):
        return Graders(primary=JsonMatch(), others=(JsonFields(), ExactMatch()))
    if are_labels(references, MOST):
        return Graders(primary=LabelAccuracy(), others=(ExactMatch(),))
    return Graders(primary=Chrf(), others=(RougeL(), ExactMatch()))
