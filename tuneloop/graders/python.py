"""python: the caller's own grade(sample, item), checked here and run in a sandbox."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields
from tuneloop.graders.grading import GradingFailed, RunPython, Score, Verdict
from tuneloop.types import Json

#: bytes of source, OpenAI's limit
MOST_SOURCE = 256 * 1024


def python(grader: Mapping[str, Json], param: str, run: RunPython | None) -> Score:
    """What the source's grade(sample, item) returns. Raises InvalidInput for a source that cannot work."""
    source = fields.text(grader, "source", param)
    _check(source, f"{param}.source")

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        if run is None:
            raise GradingFailed("python_grader_server_error", "no Python can be run here")
        reward = run(source, sample, item)
        if not math.isfinite(reward):
            raise GradingFailed("python_grader_runtime_error", f"grade returned {reward}, which is no reward")
        return Verdict(reward=reward)

    return score


def _check(source: str, param: str) -> None:
    if len(source.encode("utf-8", "surrogatepass")) > MOST_SOURCE:
        raise InvalidInput(f"'{param}' is longer than {MOST_SOURCE // 1024} kB", param=param)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise InvalidInput(f"'{param}' is not Python: {error}", param=param) from None
    if not any(_is_grade(node) for node in ast.walk(tree)):
        raise InvalidInput(f"'{param}' must define grade(sample, item), which returns a number", param=param)


def _is_grade(node: ast.AST) -> bool:
    """Whether it binds the name `grade`: a function, a lambda or an import will do."""
    if isinstance(node, ast.FunctionDef):
        return node.name == "grade"
    return isinstance(node, ast.Name) and node.id == "grade" and isinstance(node.ctx, ast.Store)
