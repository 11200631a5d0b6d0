"""From a grader's JSON to a Grader."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.graders import fields
from tuneloop.graders.grading import Ask, Grader, RunPython, Score
from tuneloop.graders.judges import label_model, score_model
from tuneloop.graders.multi import multi
from tuneloop.graders.python import python
from tuneloop.graders.similarity import text_similarity
from tuneloop.graders.string_check import string_check
from tuneloop.types import Json

TYPES = ("string_check", "text_similarity", "python", "score_model", "label_model", "multi")


def read(grader: Json, *, ask: Ask | None = None, run_python: RunPython | None = None, param: str = "grader") -> Grader:
    """A Grader of OpenAI's JSON. Raises InvalidInput; its `param` begins with `param`.

    `ask` reaches the models of score_model, label_model and cosine, `run_python` runs python graders; without them
    such a grader can be checked, and fails when it grades.
    """
    given = fields.mapping(grader, param)
    kind = fields.choice(given, "type", param, TYPES)
    name = fields.text(given, "name", param, empty=False)
    return Grader(name=name, type=kind, score=_score(kind, given, ask, run_python, param))


def _score(kind: str, grader: Mapping[str, Json], ask: Ask | None, run_python: RunPython | None, param: str) -> Score:
    match kind:
        case "string_check":
            return string_check(grader, param)
        case "text_similarity":
            return text_similarity(grader, param, ask)
        case "python":
            return python(grader, param, run_python)
        case "score_model":
            return score_model(grader, param, ask)
        case "label_model":
            return label_model(grader, param, ask)
        case _:
            return multi(grader, param, lambda part, where: read(part, ask=ask, run_python=run_python, param=where))
