"""Metrics: how good an answer is, seen beside the reference. All are pure.

A metric that cannot grade raises; whoever runs it records the failure and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tuneloop.graders.bleu import Bleu, Gleu
from tuneloop.graders.chrf import Chrf
from tuneloop.graders.exact import ExactMatch
from tuneloop.graders.fuzzy import FuzzyMatch
from tuneloop.graders.json_match import JsonFields, JsonMatch, is_structured
from tuneloop.graders.labels import LabelAccuracy, are_labels
from tuneloop.graders.meteor import Meteor
from tuneloop.graders.rouge import RougeL, RougeN
from tuneloop.graders.sql_match import SqlMatch, is_query
from tuneloop.types import Json

#: The share of references that must look alike for the task to be of their kind: real logs hold the odd apology.
MOST = 0.95


class Metric(Protocol):
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


_ALL: tuple[Metric, ...] = (
    *(ExactMatch(), LabelAccuracy(), JsonMatch(), JsonFields(), Chrf(), FuzzyMatch(), Bleu(), Gleu(), Meteor()),
    *(RougeN(n) for n in range(1, 6)),
    RougeL(),
    SqlMatch(),
)
#: every metric under its name
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """The metrics of a task. `primary` decides, the others are reported beside it."""

    primary: Metric
    others: Sequence[Metric] = ()

    @property
    def all(self) -> tuple[Metric, ...]:
        """The primary one first."""
        return (self.primary, *self.others)


def pick(references: Sequence[str]) -> Metrics:
    """The metrics that suit these reference answers; give it those of the whole data set, not only the held-out ones.

    JSON objects and arrays are compared parsed; few distinct short answers are labels; queries are compared as SQL;
    anything else is prose, where chrF decides. One odd reference in twenty does not change what the task is.
    """
    if references and sum(map(is_structured, references)) >= MOST * len(references):
        return Metrics(primary=JsonMatch(), others=(JsonFields(), ExactMatch()))
    if are_labels(references, MOST):
        return Metrics(primary=LabelAccuracy(), others=(ExactMatch(),))
    if references and sum(map(is_query, references)) >= MOST * len(references):
        return Metrics(primary=SqlMatch(), others=(ExactMatch(), Chrf()))
    return Metrics(primary=Chrf(), others=(RougeL(), ExactMatch()))


def suited(references: Sequence[str]) -> list[dict[str, Json]]:
    """The metrics of `pick` as graders' JSON, the primary one first."""
    return [of_metric(metric.name) for metric in pick(references).all]


def of_metric(name: str) -> dict[str, Json]:
    """A metric as a grader's JSON: text_similarity of {{sample.output_text}} and {{item.reference}}, under its name."""
    return {
        "type": "text_similarity",
        "name": name,
        "input": "{{sample.output_text}}",
        "reference": "{{item.reference}}",
        "evaluation_metric": name,
    }
