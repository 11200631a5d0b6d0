"""string_check: two texts are equal, differ, or one holds the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuneloop.graders import fields, templates
from tuneloop.graders.grading import Score, Verdict
from tuneloop.types import Json

OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda text, reference: text == reference,
    "ne": lambda text, reference: text != reference,
    "like": lambda text, reference: reference in text,
    "ilike": lambda text, reference: reference.casefold() in text.casefold(),
}


def string_check(grader: Mapping[str, Json], param: str) -> Score:
    """1 when the check holds, else 0: eq and ne compare whole texts, like and ilike (case aside) ask whether the
    input holds the reference. Raises InvalidInput."""
    given, reference = templates.text(grader, "input", param), templates.text(grader, "reference", param)
    holds = OPERATIONS[fields.choice(grader, "operation", param, OPERATIONS)]

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        filled = [templates.fill(text, item, sample) for text in (given, reference)]
        return Verdict(reward=float(holds(*filled)))

    return score
