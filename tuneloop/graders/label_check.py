"""label: an answer is the right label."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields, templates
from tuneloop.graders.grading import GradingFailed, Score, Verdict
from tuneloop.graders.labels import normal
from tuneloop.types import Json


def label_check(grader: Mapping[str, Json], param: str) -> Score:
    """1 when input and reference are the same label, as LabelAccuracy compares them. With `labels`, a reference that is
    none of them is a failure. Raises InvalidInput."""
    given, reference = templates.text(grader, "input", param), templates.text(grader, "reference", param)
    known = {} if grader.get("labels") is None else _known(fields.texts(grader, "labels", param), f"{param}.labels")

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        said, wanted = (normal(templates.fill(text, item, sample)) for text in (given, reference))
        if known and wanted not in known:
            raise GradingFailed("other_error", f"the reference {wanted!r} is none of the labels")
        why = {"why": f"{said[:80]!r} is none of the labels"} if known and said not in known else {}
        return Verdict(reward=float(said == wanted), notes=why)

    return score


def _known(labels: list[str], param: str) -> dict[str, str]:
    known: dict[str, str] = {}
    for label in labels:
        if (other := known.setdefault(normal(label), label)) != label:
            raise InvalidInput(f"'{param}': {label!r} and {other!r} count as the same label", param=param)
    return known
