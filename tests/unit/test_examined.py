"""Rows to examine: what OpenAI takes is taken, what it refuses is named with line and message, and nothing raises."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.nasty_files import NASTY, chat, lines
from tuneloop import doctor
from tuneloop.checks.examination import examine
from tuneloop.checks.rows import Row
from tuneloop.cli.commands import app
from tuneloop.importers import examined
from tuneloop.importers.raw_lines import FileForm

Value = dict[str, Any]

#: files of rubbish
EXAMPLES = 10 * int(os.environ.get("TUNELOOP_TEST_FUZZ", "10"))

SYSTEM = {"role": "system", "content": "Be nice."}
USER = {"role": "user", "content": "Where is it?"}
ANSWER = {"role": "assistant", "content": "On its way."}
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id": "7"}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TOOL = {"type": "function", "function": {"name": "find", "parameters": SCHEMA}}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a file né.jsonl"


def rows(file: Path, *values: Any) -> list[Row]:
    file.write_text(lines(*values))
    return list(examined.of_file(file, FileForm()))


def faults(row: Row) -> dict[str, str]:
    return {one.code: one.message for one in row.faults}


@pytest.mark.parametrize("name", NASTY)
def test_nasty_files_give_a_clear_finding(file: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(file.parent / "home"))
    nasty, account = NASTY[name](), file.with_name("account.jsonl")
    file.write_bytes(nasty.data)
    done = CliRunner().invoke(app, ["check", str(file), "--all", "--report", str(account)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    *records, summary = [json.loads(line) for line in account.read_bytes().splitlines()]
    found = {kind["code"]: kind["messages"] for kind in summary["findings"]}
    assert nasty.codes <= found.keys()
    assert nasty.says in " ".join(message for messages in found.values() for message in messages)
    assert all(code in done.output for code in nasty.codes)
    assert nasty.rows in (-1, len(records)) and len(records) == summary["rows"]
    assert summary["kept"] + summary["fixed"] + summary["dropped"] == summary["rows"]
    assert len({record["number"] for record in records}) == len(records)


ACCEPTED: dict[str, Value] = {
    "plain": chat(),
    "two users in a row": {"messages": [USER, USER, ANSWER]},
    "two answers in a row": {"messages": [USER, ANSWER, ANSWER]},
    "no system message": {"messages": [USER, ANSWER]},
    "assistant first": {"messages": [SYSTEM, ANSWER, USER, ANSWER]},
    "no user at all": {"messages": [SYSTEM, ANSWER]},
    "system in the middle": {"messages": [USER, SYSTEM, ANSWER]},
    "developer": {"messages": [{"role": "developer", "content": "Be nice."}, USER, ANSWER]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}, ANSWER]},
    "parts of an answer": {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": "There."}]}]},
    "tools": {"messages": [USER, CALLING], "tools": [TOOL], "parallel_tool_calls": False},
    "answer of a tool": {
        "messages": [USER, CALLING, {"role": "tool", "tool_call_id": "c1", "content": "x"}, ANSWER],
        "tools": [TOOL],
    },
    "call without content": {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]},
    "functions": {
        "messages": [
            USER,
            {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": '{"id": "7"}'}},
            {"role": "function", "name": "find", "content": "x"},
            ANSWER,
        ],
        "functions": [TOOL["function"]],
    },
    "weights": {"messages": [USER, {**ANSWER, "weight": 0}, USER, {**ANSWER, "weight": 1}]},
    "null weight": {"messages": [USER, {**ANSWER, "weight": None}], "weight": None},
    "names": {"messages": [{**USER, "name": "ann"}, {**ANSWER, "name": "desk"}]},
    "refusal": {"messages": [USER, {"role": "assistant", "content": None, "refusal": "I would rather not."}]},
    "empty question": {"messages": [{"role": "user", "content": ""}, ANSWER]},
    "other keys": {"messages": [USER, {**ANSWER, "audio": None}], "metadata": {"a": 1}, "user": "ann"},
    "prompt and completion": {"prompt": "Where is it? ->", "completion": " On its way.\n"},
    "old preference": {
        "input": {"messages": [USER]},
        "preferred_completion": [ANSWER],
        "non_preferred_completion": [ANSWER],
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_openai_accepts_is_a_row(file: Path, name: str) -> None:
    (row,) = rows(file, ACCEPTED[name])
    assert not row.faults and row.messages
    assert row.answer is not None and row.answer["role"] == "assistant"


REFUSED: dict[str, tuple[Value, str, str]] = {
    "last is the user's": (
        {"messages": [SYSTEM, USER]},
        "no_answer",
        "Example 1, message 2: the last message is the user's",
    ),
    "last is a tool's": ({"messages": [USER, CALLING, {"role": "tool", "content": "x"}]}, "no_answer", "message 3"),
    "no role": (
        {"messages": [{"content": "x"}, ANSWER]},
        "invalid_format",
        "Example 1, message 1 Discriminator 'role' is missing",
    ),
    "unknown role": (
        {"messages": [USER, {"role": "bot", "content": "x"}]},
        "invalid_format",
        "Example 1, message 2: unknown role 'bot'",
    ),
    "no content": ({"messages": [{"role": "user"}, ANSWER]}, "invalid_format", "message 1: 'content' is missing"),
    "null answer": (
        {"messages": [USER, {"role": "assistant", "content": None}]},
        "invalid_format",
        "message 2: 'content'",
    ),
    "number as content": (
        {"messages": [USER, {"role": "assistant", "content": 5}]},
        "invalid_format",
        "message 2: 'content'",
    ),
    "message is a text": ({"messages": ["Where?", ANSWER]}, "invalid_format", "message 1: expected an object"),
    "no messages": ({"messages": []}, "invalid_format", "at least one message"),
    "messages as text": ({"messages": "Where?"}, "invalid_format", "must be a list"),
    "other keys": ({"question": "a", "answer": "b"}, "invalid_format", "It has 'question', 'answer'"),
    "no keys": ({}, "invalid_format", "It has no keys"),
    "half a weight": ({"messages": [USER, {**ANSWER, "weight": 2}]}, "invalid_format", "message 2: 'weight'"),
    "weight of a question": (
        {"messages": [{**USER, "weight": 1}, ANSWER]},
        "invalid_format",
        "message 1: only an assistant's",
    ),
    "call without name": (
        {"messages": [USER, {**CALLING, "tool_calls": [{"function": {}}]}]},
        "invalid_format",
        "message 2",
    ),
    "tool without name": ({"messages": [USER, ANSWER], "tools": [{"type": "function"}]}, "invalid_format", "'tools'"),
    "schema is a list": (
        {"messages": [USER, ANSWER], "tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]},
        "invalid_format",
        "'parameters' of the tool 'f'",
    ),
    "parallel as text": (
        {"messages": [USER, ANSWER], "parallel_tool_calls": "no"},
        "invalid_format",
        "parallel_tool_calls",
    ),
    "picture": ({"messages": [IMAGE, ANSWER]}, "not_text", "message 1: content part 'image_url'"),
    "unknown part": (
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}, ANSWER]},
        "invalid_format",
        "'smell'",
    ),
    "pair without answer": (
        {"input": {"messages": [USER]}, "preferred_output": [], "non_preferred_output": [ANSWER]},
        "invalid_format",
        "preferred_output",
    ),
    "pair of users": (
        {"input": {"messages": [USER]}, "preferred_output": [USER], "non_preferred_output": [ANSWER]},
        "invalid_format",
        "preferred_output",
    ),
    "pair without input": (
        {"preferred_output": [ANSWER], "non_preferred_output": [ANSWER]},
        "invalid_format",
        "'input'",
    ),
    "weighted pair": (
        {"input": {"messages": [USER]}, "weight": 2, "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]},
        "invalid_format",
        "'weight'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_openai_refuses_is_named(file: Path, name: str) -> None:
    value, code, says = REFUSED[name]
    (row,) = rows(file, value)
    assert says in faults(row)[code]
    assert not row.messages and row.answer is None


def test_every_fault_of_a_row_is_named(file: Path) -> None:
    bad = {"messages": [{"content": "x"}, IMAGE, {"role": "bot", "content": "x"}, USER], "tools": [{}]}
    _, row = rows(file, chat(), bad)
    said = faults(row)
    assert said.keys() == {"invalid_format", "not_text", "no_answer"}
    for place in ("Example 2, message 1 ", "Example 2, message 3: unknown role", "'tools'"):
        assert place in said["invalid_format"]
    assert "message 2" in said["not_text"] and "message 4" in said["no_answer"]
    (errors,) = [one.evidence["errors"] for one in row.faults if one.code == "invalid_format"]
    assert len(errors) == 3


def test_pairs_and_labels_keep_what_they_say(file: Path) -> None:
    worse = {"role": "assistant", "content": "No idea."}
    pair = {"input": {"messages": [SYSTEM, USER], "tools": [TOOL]}, "preferred_output": [CALLING, ANSWER]}
    (row,) = rows(file, pair | {"non_preferred_output": [worse]})
    assert row.answer == ANSWER and row.messages == [SYSTEM, USER, CALLING]
    assert row.rejected == [worse] and row.tools == [TOOL] and not row.extra
    good, bad = rows(file, chat(label=True), chat(label=False))
    assert good.ratings == (True,) and bad.ratings == (False,)


def test_prompts_for_reinforcement_lack_nothing(file: Path) -> None:
    prompts = [{"messages": [SYSTEM, USER], "reference": str(n), "weight": "any"} for n in range(3)]
    for row in rows(file, *prompts):
        assert not row.faults and row.answer is None and len(row.messages) == 2
    assert [len(row.faults) for row in rows(file, *prompts, chat(reference="x"))] == [1, 1, 1, 0]
    for bare in ({}, {"metadata": {"id": "1"}, "user": "ann"}):
        assert all("no_answer" in faults(row) for row in rows(file, *[{"messages": [USER], **bare}] * 2))


def test_choices_of_a_question_are_no_answer(file: Path) -> None:
    (row,) = rows(file, {"messages": [USER, ANSWER], "choices": ["here", "there"]})
    assert not row.faults and row.answer == ANSWER and row.extra == {"choices": ["here", "there"]}


def test_rows_of_another_method_are_named(file: Path) -> None:
    pair = {"input": {"messages": [USER]}, "preferred_output": [ANSWER], "non_preferred_output": [ANSWER]}
    first, *others = rows(file, pair, chat(), chat(), chat(label=True))
    assert "is for the method 'dpo', but most rows are for 'supervised'" in faults(first)["invalid_format"]
    assert [bool(row.faults) for row in others] == [False, False, True]


LOGGED: dict[str, Value] = {
    "text": {"messages": [USER], "completion": "On its way."},
    "message": {"messages": [USER], "completion": ANSWER, "feedback": {"rating": "good"}, "created_at": 1.7e9},
    "feedback on a training row": {"messages": [USER, ANSWER], "feedback": "good"},
    "wire": {"request": {"messages": [USER], "tools": [TOOL]}, "response": {"choices": [{"message": ANSWER}]}},
    "stored": {"object": "chat.completion", "choices": [{"message": ANSWER}], "messages": {"data": [USER]}},
    "corrected": {
        "messages": [USER],
        "completion": "",
        "scores": [{"name": "rating", "value": 0, "correction": "Soon"}],
    },
}


@pytest.mark.parametrize("name", LOGGED)
def test_calls_are_rows(file: Path, name: str) -> None:
    (row,) = rows(file, LOGGED[name])
    assert not row.faults and row.messages == [USER]
    assert row.answer_text == ("" if name == "corrected" else "On its way.")
    assert row.log_id is None


def test_a_call_that_is_wrong_is_named_by_its_line(file: Path) -> None:
    _, odd, tools = rows(
        file,
        LOGGED["text"],
        {"id": "c7", "messages": [USER], "completion": {"content": 5}},
        {"messages": [USER], "completion": "x", "tools": [5]},
    )
    assert odd.id == "c7" and "line 2, answer: 'content' must be text" in faults(odd)["invalid_format"]
    assert "line 3: 'tools' must be a list of objects" in faults(tools)["invalid_format"]


def test_the_cookbooks_anomalies_are_found(file: Path) -> None:
    """What OpenAI's cookbook looks for: no system message, no user's message, too long; and going in circles."""
    good = [{"messages": [SYSTEM, {"role": "user", "content": f"{n} is it?"}, ANSWER]} for n in range(3)]
    circles = {"role": "assistant", "content": "Eat a banana!" * 2000}
    file.write_text(lines(*good, chat(), {"messages": [SYSTEM, ANSWER]}, {"messages": [SYSTEM, USER, circles]}))
    found = examine(examined.of_file(file, FileForm())).of_row
    codes = {number: {one.code for one in found.get(number, ())} for number in range(1, 7)}
    assert "no_instructions" in codes[4] and "no_question" in codes[5] and "repetitive" in codes[6]
    assert not any(codes[n] & {"no_instructions", "no_question", "repetitive"} for n in (1, 2, 3))


@pytest.mark.parametrize("value", [chat(weight=0), {"messages": [USER, {**ANSWER, "weight": 0}]}])
def test_a_row_of_which_nothing_is_learnt(file: Path, value: Value) -> None:
    file.write_text(lines(value, {"messages": [USER, {**ANSWER, "weight": 0}, USER, ANSWER]}))
    found = examine(examined.of_file(file, FileForm())).of_row
    assert "nothing_learnt" in {one.code for one in found[1]}
    assert "nothing_learnt" not in {one.code for one in found.get(2, ())}


JUNK: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        10**30,
        1e308,
        "",
        "x",
        "\x00",
        "user",
        "9999-12-31T23:59:59-23:00",
        [],
        {},
        [[]],
        [{}],
        [None],
    ),
    *(
        [USER],
        [ANSWER],
        {"role": "assistant"},
        [{"type": "image_url"}],
        [{"type": ["a"]}],
        [{"type": "text"}],
        [CALL],
        [TOOL],
    ),
    *(
        {"$ref": "#"},
        {"$ref": "#/no"},
        {"$ref": "http://127.0.0.1:9/x"},
        {"pattern": "("},
        {"$schema": 5},
        {"type": "x"},
    ),
    *({"properties": {"id": {"$ref": "#"}}}, {"type": "json_schema", "json_schema": 5}, {"rating": {}}, "🙂" * 20),
]
WIRE = {
    "request": {
        **LOGGED["wire"]["request"],
        "response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}},
    },
    "response": {"choices": [{"message": {"role": "assistant", "content": '{"id": 7}'}, "finish_reason": "stop"}]},
}
SEEDS = [*ACCEPTED.values(), *LOGGED.values(), WIRE, {"messages": [USER], "reference": "x"}, chat(label=True)]


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a value with every key or index in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in ((value, key), *_places(item))]


def _spoilt(row: Value, seed: int) -> Value:
    """A row with up to three of its values, at any depth, replaced by others or gone."""
    row, random = copy.deepcopy(row), Random(seed)
    for _ in range(random.randint(0, 3)):
        if places := _places(row):
            container, key = random.choice(places)
            if random.random() < 0.8:
                container[key] = copy.deepcopy(random.choice(JUNK))
            else:
                del container[key]
    return row


SPOILT = st.builds(_spoilt, st.sampled_from(SEEDS), st.integers(0, 2**32))
ANY = st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists)
ANY_ROW = st.dictionaries(st.sampled_from(sorted({key for seed in SEEDS for key in seed})), ANY, max_size=6)

thorough = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@thorough
@given(st.lists(SPOILT, min_size=1, max_size=6))
def test_no_spoilt_row_raises(tmp_path_factory: pytest.TempPathFactory, values: list[Value]) -> None:
    file = tmp_path_factory.getbasetemp() / "spoilt.jsonl"
    file.write_text(lines(*values))
    report = doctor.examine(doctor.of_file(file))
    for row in report.patient.rows():
        assert row.messages or row.faults
        assert all(message["role"] for message in row.messages)
    *records, summary = list(report.account())
    assert len(records) == len(values) == json.loads(summary)["rows"]
    assert len(list(doctor.treated_rows(report))) == len(values)


@thorough
@given(ANY_ROW)
def test_no_row_whatever_raises(tmp_path_factory: pytest.TempPathFactory, value: Value) -> None:
    (row,) = rows(tmp_path_factory.getbasetemp() / "any.jsonl", value)
    assert row.messages or row.faults
    examine([row])
