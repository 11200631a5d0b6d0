"""How answers are spread over labels and over time."""

from __future__ import annotations

import random

from tests.unit.checks_rows import row, survey
from tuneloop.checks import balance, labels
from tuneloop.checks.findings import Finding
from tuneloop.checks.survey import Survey

LABELS = ["refund", "delivery", "payment", "account", "other"]


def _found(made: Survey) -> dict[str, Finding]:
    return {one.code: one for one in balance.check(made, labels.tasks(made))}


def _labelled(counts: dict[str, int], system: str = "Route.") -> Survey:
    answers = [label for label, count in counts.items() for _ in range(count)]
    return survey([(f"Question number {n}", answer) for n, answer in enumerate(answers)], system=system)


def test_even_labels_are_fine() -> None:
    assert not _found(_labelled(dict.fromkeys(LABELS, 20)))


def test_rare_labels() -> None:
    found = _found(_labelled({**dict.fromkeys(LABELS[:4], 30), "other": 3}, f"Answer with one of {LABELS}."))

    assert found["rare_label"].evidence["counts"] == {"other": 3}


def test_one_label_dominates() -> None:
    found = _found(_labelled({"refund": 100, "delivery": 30, "payment": 30}))

    assert found["dominant_answer"].evidence["share"] == 0.625
    assert not _found(_labelled({"refund": 60, "delivery": 40}))


def test_one_text_dominates() -> None:
    texts = [(f"Question {n}", f"A text of its own about number {n}.") for n in range(70)]

    assert "dominant_answer" in _found(survey([*texts, *[("Question", "Thanks for writing to us.")] * 30]))
    assert not _found(survey(texts))


def test_several_prompts_for_one_task() -> None:
    made = Survey()
    for number in range(100):
        system = "Route the message." if number % 3 else "You route messages. Answer with a queue."
        made.add(row(f"Question {number}", LABELS[number % 5], number=number, system=system))

    assert len(_found(made)["mixed_prompts"].evidence["prompts"]) == 2


def _timed(early: list[str], late: list[str], longer: int = 1) -> Survey:
    made, dice = Survey(), random.Random(5)
    for number in range(400):
        answer = dice.choice(early if number < 200 else late)
        question = f"Question number {number} " * (longer if number >= 200 else 1)
        made.add(row(question, answer, number=number, created_at=1e9 + number, system="Route."))
    return made


def test_other_answers_later_are_a_drift() -> None:
    assert "drift" in _found(_timed(LABELS[:3], LABELS[2:]))
    assert "drift" not in _found(_timed(LABELS, LABELS))


def test_longer_questions_later_are_a_drift() -> None:
    assert "median_characters" in _found(_timed(LABELS, LABELS, longer=3))["drift"].evidence
