"""Whether a task looks like a skill or like knowledge."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.unit.checks_rows import survey
from tuneloop.checks import labels, structure, suitability

SYLLABLES = "ka lo mi ren dor vas tel nor bri hag sul pem wat jun".split()
DICE = random.Random(3)


def _name() -> str:
    return "".join(DICE.choices(SYLLABLES, k=3)).title()


PLACES = [_name() for _ in range(60)]


def _verdict(pairs: list[tuple[str, str]]) -> str:
    made = survey(pairs)
    (found,) = suitability.check(made, labels.tasks(made), structure.tasks(made))
    return found.code


@pytest.mark.parametrize(
    "answer",
    [
        lambda place: _name(),
        lambda place: f"{_name()} is the capital of {place}.",
        lambda place: f"{place} was founded by {_name()} {_name()} in {DICE.randint(1700, 1999)}.",
        lambda place: str(DICE.randint(1700, 1999)),
        lambda place: f"It has {DICE.randint(1000, 9999)} people and {DICE.randint(100, 999)} shops.",
    ],
)
def test_facts_that_nobody_gave_are_knowledge(answer: Callable[[str], str]) -> None:
    assert _verdict([(f"What do you know of {place}?", answer(place)) for place in PLACES]) == "knowledge"


@pytest.mark.parametrize(
    "answer",
    [
        lambda place, n: f"Good news, friend! Our {place} shop opens at {n}. Come by!",
        lambda place, n: f"We are sorry. Your order {n} to {place} is late; please wait two days.",
        lambda place, n: f"SELECT name FROM shops WHERE place = '{place}' AND number = {n}",
        lambda place, n: f"Each has {n}, so two have 2*{n}={2 * n} in {place}.\n#### {2 * n}",
        lambda place, n: f"Unser Laden in {place} hat die Nummer {n} und verkauft Brot, Käse und Wein am {place}platz.",
        lambda place, n: "yes" if n % 2 else "no",
        lambda place, n: f'{{"place": "{place}", "number": {n}}}',
    ],
)
def test_what_follows_from_the_question_is_a_skill(answer: Callable[[str, int], str]) -> None:
    pairs = [(f"The shop {n} in {place}", answer(place, n)) for n, place in enumerate(PLACES, start=100)]

    assert _verdict(pairs) == "suitable"


def test_the_evidence_is_shown() -> None:
    made = survey([(f"Who founded {place}?", f"It was {_name()}.") for place in PLACES])

    (found,) = suitability.check(made, [], structure.tasks(made))

    assert found.evidence["share"] == 1.0
    assert found.evidence["examples"][0]["row"] == 1


def test_few_rows_are_not_judged() -> None:
    assert not list(suitability.check(survey([("Question", "Answer")] * 29), [], []))
