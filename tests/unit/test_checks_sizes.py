"""How many rows there are, and how long."""

from __future__ import annotations

import pytest

from tests.unit.checks_rows import row, survey
from tuneloop.checks import sizes
from tuneloop.checks.survey import Survey


def _codes(made: Survey, context: int | None = None) -> list[str]:
    return [one.code for one in sizes.check(made, context)]


@pytest.mark.parametrize(("rows", "codes"), [(0, ["few_rows"]), (9, ["few_rows"]), (49, ["few_rows"]), (50, [])])
def test_few_rows(rows: int, codes: list[str]) -> None:
    assert _codes(survey([(f"Question {n}", "answer") for n in range(rows)])) == codes


def test_rows_without_an_answer_do_not_count() -> None:
    made = survey([(f"Question {n}", "answer") for n in range(50)])
    made.rows[0].codes.add("no_answer")

    (found,) = sizes.check(made)

    assert (found.code, found.evidence["train"]) == ("few_rows", 49)


def test_splits_are_wanted_where_there_are_any() -> None:
    made = Survey()
    for number in range(60):
        made.add(row(f"Question {number}", "answer", number=number, split="train"))

    (found,) = sizes.check(made)

    assert found.code == "no_split"
    assert found.evidence["counts"] == {"train": 60, "validation": 0, "test": 0}


def test_rows_beyond_the_context() -> None:
    made = survey([(f"Question {n}", "answer") for n in range(60)])
    made.rows[3].tokens, made.rows[4].tokens = 2049, 2048

    (found,) = sizes.check(made, 2048)

    assert (found.code, found.rows, found.evidence["tokens"]) == ("over_context", (4,), 2049)
    assert _codes(made) == []


def test_giants_among_short_rows() -> None:
    long = "> On Monday you wrote the following.\n" * 100
    pairs = [(f"Question {n}", "answer") for n in range(60)]

    found = list(sizes.check(survey([*pairs, (long, "answer"), ("Question", long)])))

    assert [(one.code, one.rows) for one in found] == [("overlong", (61,)), ("overlong", (62,))]
    assert _codes(survey([(long, "answer")] * 60)) == []
