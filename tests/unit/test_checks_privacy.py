"""Personal data and secrets: values of many countries, and what only looks like them."""

from __future__ import annotations

import time

import pytest

from tests.unit.checks_rows import row, table
from tuneloop.checks import privacy
from tuneloop.checks.privacy import pii

KINDS = ("card", "iban", "email", "secret", "name_address", "phone")
#: long texts that a pattern could go over again and again
LONG = (
    "1",
    "1 ",
    "12-",
    "a@",
    "a.",
    "a@a.",
    "GB12 ",
    "GB82 WEST 1234 ",
    "Aa ",
    "eyJ",
    "sk-",
    "BEGIN ",
    "://a:",
    "password is ",
)


def _kinds(text: str) -> set[str]:
    return {found.kind for found in pii(text)}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in KINDS for text in table(f"{kind}.found")])
def test_it_is_found(kind: str, text: str) -> None:
    assert kind in _kinds(text)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in KINDS for text in table(f"{kind}.other")])
def test_what_looks_like_it_is_not(kind: str, text: str) -> None:
    assert kind not in _kinds(text)


def test_it_stands_where_it_is_said_to() -> None:
    text = "Card 4242 4242 4242 4242 exp 09/27, call +44 20 7946 0958 or mail tom@example.org."

    found = {one.kind: one for one in pii(text)}

    assert {kind: one.value for kind, one in found.items()} == {
        "card": "4242 4242 4242 4242",
        "phone": "+44 20 7946 0958",
        "email": "tom@example.org",
    }
    assert all(text[one.start : one.end] == one.value for one in found.values())


def test_a_number_is_of_one_kind() -> None:
    assert _kinds("my number is 4111 1111 1111 1111") == {"card"}
    assert _kinds("call about IBAN GB29 NWBK 6016 1331 9268 19") == {"iban"}


def test_two_numbers_in_a_row_are_two() -> None:
    assert [one.value for one in pii("call 07700 900123 / 07700 900456")] == ["07700 900123", "07700 900456"]


def test_what_the_owner_says_himself_is_public() -> None:
    asked = row("I mailed help@example.org", "Write to help@example.org", system="Our address is help@example.org")

    assert not list(privacy.check(asked))


def test_values_are_not_shown_in_full() -> None:
    found = {one.code: one for one in privacy.check(row("mail tom.hill@example.org", "Sent to tom.hill@example.org"))}

    assert set(found) == {"pii_email", "pii_in_answer"}
    assert all("tom.hill" not in f"{one.message} {one.evidence}" for one in found.values())


@pytest.mark.parametrize("piece", LONG)
def test_long_texts_take_no_time(piece: str) -> None:
    started = time.process_time()

    list(pii(piece * (100_000 // len(piece))))

    assert time.process_time() - started < 1.5
