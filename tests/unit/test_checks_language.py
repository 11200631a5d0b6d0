"""Rows in another language than the rest."""

from __future__ import annotations

import pytest

from tests.unit.checks_rows import survey, table
from tuneloop.checks import language
from tuneloop.checks.findings import Finding

ENGLISH, GERMAN = table("english"), table("german")


def _found(base: list[str], *more: tuple[str, str], answer: str = "label", system: str = "Route.") -> list[Finding]:
    rows = [*((question, answer) for question in base * 3), *more]
    return list(language.check(survey(rows, system=system), []))


@pytest.mark.parametrize("question", table("wrong_language.found"))
def test_other_languages_are_found_among_english(question: str) -> None:
    (found,) = _found(ENGLISH, (question, "label"))

    assert found.rows == (3 * len(ENGLISH) + 1,)
    assert (found.code, found.evidence["usual"], found.evidence["where"]) == ("wrong_language", "en", "question")


@pytest.mark.parametrize("question", table("wrong_language.other"))
def test_names_code_and_short_words_are_in_no_language(question: str) -> None:
    assert not _found(ENGLISH, (question, "label"))


@pytest.mark.parametrize(
    "question", ["Where is my order?", "I want to cancel my subscription.", "Please call me back."]
)
def test_english_is_found_among_german(question: str) -> None:
    (found,) = _found(GERMAN, (question, "label"))

    assert (found.evidence["language"], found.evidence["usual"]) == ("en", "de")


@pytest.mark.parametrize("question", ["Update Download Fehler", "Login geht nicht", "Bluetooth Speaker defekt", "WLAN"])
def test_loan_words_are_not_english(question: str) -> None:
    assert not _found(GERMAN, (question, "label"))


def test_answers_are_looked_at_too_and_dropped() -> None:
    answers = [(question, "Please open the settings and choose your card.") for question in ENGLISH]

    (found,) = language.check(survey([*answers, ("Where is my card now?", "Bitte warten Sie noch zwei Tage.")]), [])

    assert (found.evidence["where"], found.fix) == ("answer", "drop")


def test_a_translation_is_in_another_language_as_it_should_be() -> None:
    answers = [(question, "Please open the settings and choose your card.") for question in ENGLISH]
    asked = ("Translate into German: please wait two more days.", "Bitte warten Sie noch zwei Tage.")

    assert not list(language.check(survey([*answers, asked]), []))
    foreign = ("Ich möchte meine Adresse ändern.", "I want to change my address.")
    assert not _found(ENGLISH, foreign, answer="A sentence in English.", system="Translate what you get into English.")


def test_two_languages_in_use_are_both_usual() -> None:
    rows = [(question, "label") for question in [*ENGLISH * 4, *GERMAN]]

    assert not list(language.check(survey(rows), []))


def test_few_rows_have_no_rest() -> None:
    assert not list(language.check(survey([("Where is my order?", "a"), ("Wo ist mein Paket denn?", "b")]), []))
