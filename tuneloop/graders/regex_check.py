"""regex: a pattern is found in an answer, or is not."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields, patterns, templates
from tuneloop.graders.grading import Score, Verdict
from tuneloop.graders.variables import paths
from tuneloop.types import Json


def regex_check(grader: Mapping[str, Json], param: str) -> Score:
    """1 when `pattern` is found in the input: anywhere ("search"), at its beginning ("match") or as all of it
    ("full"); the other way round with `negate`. A pattern may be a template. Raises InvalidInput."""
    given, pattern = templates.text(grader, "input", param), templates.text(grader, "pattern", param)
    mode = fields.choice(grader, "mode", param, patterns.MODES)
    negate = fields.truth(grader.get("negate"), f"{param}.negate")
    if not paths({"pattern": pattern}):  # a row brings nothing to it
        try:
            patterns.read(pattern)
        except ValueError as error:
            raise InvalidInput(f"'{param}.pattern' is no pattern: {error}", param=f"{param}.pattern") from None

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        wanted, text = (templates.fill(one, item, sample) for one in (pattern, given))
        return Verdict(reward=float(patterns.find(wanted, text, mode) != negate))

    return score
