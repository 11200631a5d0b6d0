"""pairwise: a model says which of two answers is better, asked in both orders."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.graders import judges, orders
from tuneloop.graders.grading import Ask, Score, Verdict
from tuneloop.types import Json

#: what a judge is asked where the grader does not say: A is the answer, B the one to compare with
QUESTION = [
    {
        "role": "system",
        "content": "You compare two answers to the same request. Judge what they say, not their length or the order in "
        "which they are shown.",
    },
    {
        "role": "user",
        "content": "Request:\n{{item.input}}\n\nAnswer A:\n{{sample.output_text}}\n\nAnswer B:\n{{item.other}}\n\n"
        "Which answer is better: A, B, or are they equally good?",
    },
]
_LABELS = ["A", "B", "tie"]


def pairwise(grader: Mapping[str, Json], param: str, ask: Ask | None) -> Score:
    """1 when the judge finds the answer better than `item.other` in both orders, 0 when worse, 0.5 for a tie and when
    the orders disagree. Equal texts are a tie without a question. Raises InvalidInput."""
    first = judges.of_labels(grader, param, ask, _LABELS, {"A": 1.0, "B": 0.0, "tie": 0.5})
    second = judges.of_labels(grader, param, ask, _LABELS, {"A": 0.0, "B": 1.0, "tie": 0.5})
    compare = orders.both(first, second, lambda one, two: one if one == two else 0.5, width=1)

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        if item.get("other") is not None and item["other"] == sample.get("output_text"):
            return Verdict(reward=0.5, notes={"why": "both answers are the same"})
        return compare(item, sample)

    return score
