"""Which labels a task has, and answers that are none of them."""

from __future__ import annotations

import pytest

from tests.unit import desk
from tuneloop.checks import labels
from tuneloop.checks.findings import Finding
from tuneloop.checks.rows import Row


def rows(*more: Row) -> list[Row]:
    good = [desk.row(n, q, label, ratings=(True,)) for n, (q, label) in enumerate(desk.tickets(100), start=1)]
    return [*good, *more]


def found(made: list[Row]) -> dict[int, Finding]:
    survey = desk.survey(made)
    return {one.rows[0]: one for one in labels.check(survey, labels.tasks(survey))}


def test_labels_of_a_clean_task_are_known() -> None:
    (task,) = labels.tasks(desk.survey(rows()))
    assert task.known == set(desk.TOPICS) and not task.stated
    assert found(rows()) == {}


@pytest.mark.parametrize(
    "answer, repaired",
    [
        ("flat_tyre.", "flat_tyre"),
        ("Flat_Tyre", "flat_tyre"),
        ("```\nflat_tyre\n```", "flat_tyre"),
        ('{"label": "flat_tyre"}', "flat_tyre"),
        ("The label is: late_parcel", "late_parcel"),
        ("I would say late_parcel, because of the wording.", "late_parcel"),
        ("either flat_tyre or late_parcel", None),
        ("We are sorry to hear about your bicycle!", None),
    ],
)
def test_answers_around_a_label(answer: str, repaired: str | None) -> None:
    (one,) = found(rows(desk.row(101, "Tyre?", answer))).values()
    assert one.code == "format_violation"
    assert one.evidence.get("repaired") == repaired
    assert one.fix == ("repair" if repaired else "take_correction")


@pytest.mark.parametrize("answer", ["flat_ty", "late_", "ref"])
def test_the_beginning_of_a_label_is_cut_off(answer: str) -> None:
    (one,) = found(rows(desk.row(101, "Tyre?", answer))).values()
    assert one.code == "truncated"


def test_labels_that_nobody_rates_well_are_unknown() -> None:
    odd = [desk.row(101 + i, f"ticket {i}", "other", ratings=(False,)) for i in range(4)]
    made = found(rows(*odd, desk.row(110, "ticket", "misc", **desk.corrected("flat_tyre"))))
    assert {number: one.code for number, one in made.items()} == {n: "unknown_label" for n in (101, 102, 103, 104, 110)}


def test_a_label_that_people_correct_to_is_known_however_rare() -> None:
    made = rows(
        desk.row(101, "My saddle?", "flat_tyre", **desk.corrected("saddle_loose")),
        desk.row(102, "Saddle", "saddle_loose"),
    )
    assert found(made) == {}


def test_a_label_that_is_often_given_wrongly_is_known() -> None:
    often = [desk.row(101 + i, f"ticket {i}", "brake_worn", ratings=(i % 2 == 0,)) for i in range(12)]
    assert found(rows(*often)) == {}


def test_the_list_in_the_instructions_counts() -> None:
    listed = f"{desk.SYSTEM} Labels: {', '.join([*desk.TOPICS, 'saddle_loose'])}."
    made = [
        Row(
            number=n,
            id=str(n),
            messages=[{"role": "system", "content": listed}, {"role": "user", "content": q}],
            answer={"role": "assistant", "content": label},
        )
        for n, (q, label) in enumerate(
            [*desk.tickets(60), ("s", "saddle_loose"), ("t", "paint_job"), ("u", "paint_job")], 1
        )
    ]
    survey = desk.survey(made)
    (task,) = labels.tasks(survey)
    assert task.stated and "saddle_loose" in task.known
    assert [(one.rows[0], one.code) for one in labels.check(survey, [task])] == [
        (62, "unknown_label"),
        (63, "unknown_label"),
    ]


def test_json_is_no_label_task_though_few_values_there_be() -> None:
    made = [desk.row(n, q, f'{{"queue": "{label}"}}') for n, (q, label) in enumerate(desk.tickets(60), 1)]
    assert labels.tasks(desk.survey(made)) == []


def test_free_text_is_no_label_task() -> None:
    made = [desk.row(n, q, f"Dear customer {n}, {q} We look into it.") for n, (q, _) in enumerate(desk.tickets(60), 1)]
    assert labels.tasks(desk.survey(made)) == []
