"""Rows that say the same, or the opposite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit import desk
from tuneloop.checks import duplicates, labels
from tuneloop.checks.findings import Finding
from tuneloop.checks.rows import Row

QUESTION = "Where can I pick up the spare key for my lock?"


def check(rows: list[Row]) -> list[Finding]:
    survey = desk.survey(rows)
    return list(duplicates.check(survey, labels.tasks(survey)))


def pair(first: str, second: str, answers: tuple[str, str] = ("lost_key", "lost_key"), **fields: Any) -> list[Finding]:
    background = [desk.row(n, q, label) for n, (q, label) in enumerate(desk.tickets(60), start=10)]
    rows = [desk.row(1, first, answers[0]), desk.row(2, second, answers[1], **fields), *background]
    return [one for one in check(rows) if set(one.rows) <= {1, 2}]


def test_an_exact_duplicate_names_the_first() -> None:
    (one,) = pair(QUESTION, QUESTION)
    assert (one.code, one.rows, one.fix) == ("exact_duplicate", (2,), "keep_one")
    assert one.evidence == {"of": 1, "of_id": "r1"}


@pytest.mark.parametrize(
    "again",
    [
        QUESTION.lower(),
        QUESTION.upper(),
        "Hi, " + QUESTION,
        QUESTION.rstrip("?") + ", thanks",
        "  Where  can I pick up the spare key for my lock ?\n",
        "Where can I pick up teh spare key for my lock?",
        "Where can I pick up the spare key fro my lock?",
        "Where can I pick up the spaare key for my lock?",
        "For my lock, where can I pick up the spare key?",
    ],
)
def test_near_duplicates(again: str) -> None:
    assert [(one.code, one.rows) for one in pair(QUESTION, again)] == [("near_duplicate", (2,))]


@pytest.mark.parametrize(
    "other",
    [
        "Where can I pick up the spare bike for my lock?",
        "Where can I not pick up the spare key for my lock?",
        "When can I pick up the spare key for my lock?",
        "Where can I pick up the spare keys for my locks?",
    ],
)
def test_another_word_is_another_question(other: str) -> None:
    assert pair(QUESTION, other) == []


def test_long_texts_may_differ_in_a_few_words() -> None:
    words = [f"{word}{i % 9}" for i, word in enumerate(" ".join(desk.TOPICS.values()).split() * 3)]
    text, other = " ".join(words), " ".join([*words[:70], "screw", *words[71:]])
    assert [one.code for one in pair(text, other)] == ["near_duplicate"]
    assert pair(text, " ".join(reversed(words[:100]))) == []


def test_contradictions_are_settled_by_most_and_by_people() -> None:
    both = pair(QUESTION, QUESTION.lower(), ("lost_key", "flat_tyre"), ratings=(True,))
    assert [(one.code, one.rows, one.evidence["winner"]) for one in both] == [
        ("contradictory", (1,), False),
        ("contradictory", (2,), True),
    ]
    undecided = pair(QUESTION, QUESTION, ("lost_key", "flat_tyre"))
    assert [one.evidence["winner"] for one in undecided] == [False, False]


def test_the_same_label_in_other_words_is_no_contradiction() -> None:
    assert pair(QUESTION, QUESTION, ("lost_key", "The label is lost_key.")) == []


def test_two_tasks_may_answer_differently() -> None:
    def asked(number: int, system: str, answer: str) -> Row:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]
        return Row(number=number, id=str(number), messages=messages, answer={"role": "assistant", "content": answer})

    assert check([asked(1, "Translate into French.", "Où"), asked(2, "Translate into German.", "Wo")]) == []


def test_leaks_between_splits() -> None:
    rows = [
        replace(desk.row(1, QUESTION, "lost_key"), split="train"),
        replace(desk.row(2, "Hello! " + QUESTION, "lost_key"), split="test"),
        replace(desk.row(3, "Order 4711: where is it?", "late_parcel", user="ann"), split="train"),
        replace(desk.row(4, "Order 4712: where is it?", "late_parcel", user="ann"), split="validation"),
        replace(desk.row(5, "Order 4713: where is it?", "late_parcel", user="bob"), split="validation"),
    ]
    found = {(one.code, one.rows[0]) for one in check(rows)}
    assert found == {("near_duplicate", 2), ("leak", 2), ("template_leak", 4)}


def test_a_conversation_in_two_splits() -> None:
    said = [{"role": "user", "content": "My bike squeaks."}, {"role": "assistant", "content": "Where?"}]
    first = Row(number=1, id="1", messages=said[:1], answer=said[1], split="train")
    more = [*said, {"role": "user", "content": "At the front."}]
    second = Row(number=2, id="2", messages=more, answer={"role": "assistant", "content": "Oil it."}, split="test")
    assert [(one.code, one.rows) for one in check([first, second])] == [("conversation_leak", (2,))]
    assert check([first, replace(second, split="train")]) == []
