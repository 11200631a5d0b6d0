"""Ratings and corrections that contradict themselves or the answer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.unit.checks_rows import row
from tuneloop.checks import ratings


@pytest.mark.parametrize(
    ("thumbs", "corrections", "codes"),
    [
        ((), (), []),
        ((True,), (), []),
        ((True,), ("refund",), []),
        ((False,), (), ["rated_bad"]),
        ((False,), ("delivery",), ["wrong_answer"]),
        ((), ("delivery",), ["wrong_answer"]),
        ((False,), ("refund",), ["rating_conflict"]),
        ((True, False), (), ["rating_conflict", "rated_bad"]),
        ((False, True), (), ["rating_conflict"]),
        ((True,), ("delivery",), ["rating_conflict", "wrong_answer"]),
        ((), ("delivery", "payment"), ["rating_conflict", "wrong_answer"]),
        ((), ("delivery", "delivery"), ["wrong_answer"]),
        ((), (" refund\n",), []),
    ],
)
def test_what_people_said(thumbs: Sequence[bool], corrections: Sequence[str], codes: list[str]) -> None:
    better = [{"role": "assistant", "content": text} for text in corrections]

    found = ratings.check(row("Where is my money?", "refund", ratings=thumbs, corrections=better))

    assert [one.code for one in found] == codes


def test_the_latest_correction_is_shown() -> None:
    better = [{"role": "assistant", "content": text} for text in ("delivery", "payment")]

    found = {one.code: one for one in ratings.check(row("q", "refund", corrections=better))}

    assert found["wrong_answer"].evidence["correction"] == "payment"
    assert found["rating_conflict"].evidence["corrections"] == ["delivery", "payment"]
