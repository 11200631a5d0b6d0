"""sql: an answer is a query that SQLite understands, or that gives the rows of the reference."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.graders import fields, templates
from tuneloop.graders.grading import GradingFailed, Score, Verdict
from tuneloop.graders.json_match import unfenced
from tuneloop.types import Json

MODES = ("equal", "valid")


def sql(grader: Mapping[str, Json], param: str) -> Score:
    """valid: 1 for one query that can be prepared on the database that `setup` makes; equal: 1 for one that gives the
    rows of the reference there, their order aside unless the reference has an ORDER BY. Raises InvalidInput.

    A database without rows is filled with made-up ones, several times over: the queries must agree on all of them.
    """
    given, setup = templates.text(grader, "input", param), templates.text(grader, "setup", param)
    default = "valid" if grader.get("reference") is None else "equal"
    mode = fields.choice({"mode": default, **grader}, "mode", param, MODES)
    reference = templates.text(grader, "reference", param) if mode == "equal" else None

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        from tuneloop.graders import databases

        query, script = unfenced(templates.fill(given, item, sample)), templates.fill(setup, item, sample)
        try:
            database = databases.make(script)
        except databases.Refused as error:
            raise GradingFailed("other_error", f"the setup fails: {error}") from None
        why = databases.problem(database, query)
        if why is None and reference is not None:
            why = _difference(database, query, templates.fill(reference, item, sample))
        return Verdict(reward=float(why is None), notes={} if why is None else {"why": why})

    return score


def _difference(database: bytes, query: str, reference: str) -> str | None:
    from tuneloop.graders import databases

    ordered, told = databases.is_ordered(reference), False
    for filled in databases.filled(database, (reference, query)):
        try:
            wanted = databases.rows(filled, reference)
        except databases.Refused as error:
            raise GradingFailed("other_error", f"the reference fails: {error}") from None
        try:
            got = databases.rows(filled, query)
        except databases.Refused as error:
            return str(error)
        if got != wanted if ordered else sorted(got, key=repr) != sorted(wanted, key=repr):
            return f"it gives {len(got)} rows, the reference {len(wanted)}, and they differ"
        told = told or any(value is not None and value != 0 for row in wanted for value in row)
    if not told and query.split() != reference.split():
        raise GradingFailed("other_error", "the reference finds nothing in the database: no rows to compare with")
    return None
