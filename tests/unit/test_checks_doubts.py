"""Wrong labels, told by the rest of the data and by people."""

from __future__ import annotations

import random

from tests.unit import desk
from tuneloop.checks import doubts, labels
from tuneloop.checks.rows import Row


def planted(ratings: float, careless: float = 0.1, count: int = 400) -> tuple[list[Row], set[int]]:
    """Rows of which one in six is labelled wrongly; a share of all is rated, a share of those carelessly."""
    chance = random.Random(1)
    rows, wrong = [], set()
    for number, (question, label) in enumerate(desk.tickets(count, seed=2), start=1):
        given = chance.choice([other for other in desk.TOPICS if other != label]) if number % 6 == 0 else label
        rated = (given == label) != (chance.random() < careless)
        rows.append(desk.row(number, question, given, ratings=(rated,) if chance.random() < ratings else ()))
        if given != label:
            wrong.add(number)
    return rows, wrong


def flagged(rows: list[Row], code: str = "wrong_label") -> set[int]:
    survey = desk.survey(rows)
    return {one.rows[0] for one in doubts.check(labels.tasks(survey)) if one.code == code}


def test_wrong_labels_are_found_with_and_without_ratings() -> None:
    for ratings in (0.0, 0.5, 1.0):
        rows, wrong = planted(ratings)
        found = flagged(rows)
        assert len(found & wrong) >= 0.8 * len(wrong) and len(found & wrong) >= 0.85 * len(found), ratings


def test_careless_thumbs_do_not_count_for_much() -> None:
    rows, wrong = planted(1.0, careless=0.25)
    found = flagged(rows)
    assert len(found & wrong) >= 0.8 * len(wrong) and len(found & wrong) >= 0.8 * len(found)
    misrated = flagged(rows, "misrated_good")
    assert misrated <= found and misrated & wrong


def test_a_correction_is_taken_at_its_word() -> None:
    rows, _ = planted(0.0)
    question, label = desk.tickets(5, seed=9)[0]
    other = next(one for one in desk.TOPICS if one != label)
    rows += [desk.row(401, question, other, **desk.corrected(label)), desk.row(402, question + " too", label)]
    survey = desk.survey(rows)
    (one,) = (one for one in doubts.check(labels.tasks(survey)) if one.rows == (401,))
    assert one.code == "wrong_label" and one.fix == "take_correction" and one.evidence["correction"] == label
    assert 402 not in flagged(rows)


def test_the_same_rows_give_the_same_doubts() -> None:
    rows, _ = planted(0.5)
    survey = desk.survey(rows)
    first, second = ([*doubts.check(labels.tasks(survey))] for _ in range(2))
    assert first == second


def test_too_few_rows_are_no_witness() -> None:
    rows, _ = planted(0.0, count=25)
    assert flagged(rows) == set()
