"""Answers by themselves, and against the others of their task."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.unit.checks_rows import row, survey, table
from tuneloop.checks import answers

KINDS = ("refusal", "empty", "broken_json", "truncated", "empty_talk")
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find_order",
            "parameters": {
                "type": "object",
                "properties": {"number": {"type": "integer"}},
                "required": ["number"],
                "additionalProperties": False,
            },
        },
    }
]
SENTENCES = [
    (f"Where is order {n}?", f"Order {n} is on its way to you and should arrive {when} at the latest.")
    for n in range(100, 150)
    for when in ("today", "tomorrow")
]


def _codes(answer: str, **more: Any) -> set[str]:
    return {found.code for found in answers.check(row("q", answer, **more))}


@pytest.mark.parametrize(("code", "answer"), [(code, answer) for code in KINDS for answer in table(f"{code}.found")])
def test_it_is_found(code: str, answer: str) -> None:
    assert code in _codes(answer)


@pytest.mark.parametrize(("code", "answer"), [(code, answer) for code in KINDS for answer in table(f"{code}.other")])
def test_what_looks_like_it_is_not(code: str, answer: str) -> None:
    assert code not in _codes(answer)


@pytest.mark.parametrize("reason", ["length", "content_filter", "error"])
def test_an_answer_may_say_that_it_is_cut(reason: str) -> None:
    assert _codes("It ships", finish_reason=reason) == {"truncated"}
    assert _codes("", finish_reason=reason) == {"empty"}
    assert not _codes("It ships tomorrow.", finish_reason="stop")


@pytest.mark.parametrize("status", [400, 429, 499, 500])
def test_a_failed_call_has_no_answer_to_judge(status: int) -> None:
    assert _codes("", status=status) == {"failed_call"}


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("find_order", '{"number": 12}', None),
        ("find_order", '{"number": "12"}', "schema_violation"),
        ("find_order", "{}", "schema_violation"),
        ("find_order", '{"number": 12, "why": "x"}', "schema_violation"),
        ("find_order", '{"number": 12', "broken_json"),
        ("find_parcel", '{"number": 12}', "schema_violation"),
    ],
)
def test_calls_keep_to_their_tools(name: str, arguments: str, code: str | None) -> None:
    asked = row("Where is order 12?", tools=TOOLS)
    assert asked.answer is not None
    asked.answer["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}]

    assert {found.code for found in answers.check(asked)} == ({code} if code else set())


def test_what_was_asked_for_as_json_must_be() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = {"type": "json_schema", "json_schema": {"schema": schema}}

    assert not _codes('{"n": 1}', response_format=wanted)
    assert _codes('{"n": "one"}', response_format=wanted) == {"schema_violation"}
    assert _codes("one", response_format=wanted) == {"broken_json"}
    assert _codes("[1, 2", response_format=wanted) == {"truncated"}
    assert _codes('```json\n{"n": 1}\n```', response_format=wanted) == {"format_violation"}


@pytest.mark.parametrize(
    "end",
    ["Please open the settings of your", "Please wait until tomo", "Please send us the number,", "It is late and the"],
)
def test_a_sentence_that_stops_in_the_middle_is_found(end: str) -> None:
    found = list(answers.check_all(survey([*SENTENCES, ("Why?", end)])))

    assert [(one.code, one.rows) for one in found] == [("truncated", (101,))]


@pytest.mark.parametrize(
    "end",
    [
        "Is it on the way to you now?",
        "You can read it all here: https://example.com/help",
        "Kind regards, and see you soon.\n\nYour Anna Hill",
        "These are the two:\n- the red one\n- the blue one",
        'He said: "It is on its way."',
        "We are glad that it has arrived 🎉",
        "tomorrow",
    ],
)
def test_answers_may_end_otherwise(end: str) -> None:
    assert not list(answers.check_all(survey([*SENTENCES, ("Why?", end)])))


def test_where_many_end_without_a_full_stop_none_is_cut() -> None:
    loose = [(question, answer.rstrip(".")) for question, answer in SENTENCES[:20]]

    assert not list(answers.check_all(survey([*SENTENCES[20:], *loose])))


@pytest.mark.parametrize("answer", ["N/A", "-", "?", "None", "{}", "[]"])
def test_hollow_answers_among_sentences_are_empty(answer: str) -> None:
    found = list(answers.check_all(survey([*SENTENCES, ("Why?", answer)])))

    assert [(one.code, one.rows) for one in found] == [("empty", (101,))]


def test_an_empty_list_is_an_answer_among_lists() -> None:
    lists = [(f"Which ones in {n}?", f'["{n}"]' if n % 3 else "[]") for n in range(60)]

    assert not list(answers.check_all(survey(lists)))


@pytest.mark.parametrize("piece", ['{"a":', "{", "[", '"', "`", "sorry ", "i cannot ", " ", "1", "```\n"])
def test_long_answers_take_no_time(piece: str) -> None:
    started = time.process_time()

    _codes(piece * (100_000 // len(piece)))

    assert time.process_time() - started < 1
