"""Tasks whose answers are JSON objects of one form."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from tests.unit.checks_rows import survey
from tuneloop.checks import structure
from tuneloop.checks.findings import Finding
from tuneloop.types import Json

CITIES = ["Cork", "Ghent", "Leeds"]
USUAL: list[tuple[str, str]] = [
    (f"Book {n} seats to {CITIES[n % 3]}", json.dumps({"action": "book", "city": CITIES[n % 3], "seats": n}))
    for n in range(1, 100)
]


def _found(*answers: str | Mapping[str, Json]) -> list[Finding]:
    texts = [answer if isinstance(answer, str) else json.dumps(answer) for answer in answers]
    return list(structure.check(structure.tasks(survey([*USUAL, *(("Book it", text) for text in texts)]))))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"action": "book", "city": "Cork"}, "'seats' is missing"),
        ({"action": "book", "city": "Cork", "seat": 3}, "'seats' is missing"),
        ({"action": "book", "city": "Cork", "seats": "3"}, "'seats' is a text, not a number as elsewhere"),
        ({"action": "book", "city": ["Cork"], "seats": 3}, "'city' is a list, not a text as elsewhere"),
        ({"action": "book", "city": "Cork", "seats": 3, "reason": "asked"}, "'reason' is in no other answer"),
        ({"action": "book", "city": "cork", "seats": 3}, "'city' is 'cork', elsewhere 'cork'"),
        ({"action": "book", "city": "Gehnt", "seats": 3}, "'city' is 'Gehnt', elsewhere 'ghent'"),
    ],
)
def test_answers_of_another_form(answer: Mapping[str, Json], said: str) -> None:
    (found,) = _found(answer)

    assert (found.code, found.rows, found.message) == ("schema_violation", (100,), said)


def test_answers_of_the_form() -> None:
    assert not _found({"action": "book", "city": "Cork", "seats": 3}, {"seats": 4, "city": "Paris", "action": "book"})


def test_a_missing_value_may_be_null() -> None:
    assert not _found({"action": "book", "city": None, "seats": 3})


def test_what_is_no_object() -> None:
    (found,) = _found("I have booked it.")

    assert found.code == "format_violation"


def test_fields_that_are_there_at_times() -> None:
    wishes = [{"action": "book", "city": "Cork", "seats": n, "wish": "window"} for n in range(20)]

    assert not _found(*wishes)


def test_forms_that_are_open() -> None:
    own = [{"action": "book", "city": "Cork", "seats": n, f"wish_{n}": True} for n in range(10)]

    assert not _found(*own)


def test_texts_have_no_form() -> None:
    assert not structure.tasks(survey([(f"Question {n}", f"Text {n}.") for n in range(50)]))
