"""A grader as the judge of epochs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny import write_tiny_model
from tests.unit.tiny_learner import token_row
from tuneloop.chat import Chat, load_chat
from tuneloop.errors import InvalidInput
from tuneloop.training.answers import answer_text
from tuneloop.training.decoder import load_decoder
from tuneloop.training.judging import Judge, make_judge
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Pair
from tuneloop.training.records import EventLog
from tuneloop.training.rows import read_units
from tuneloop.training.tree import TokenRow, Unit
from tuneloop.training.weights import Adapter
from tuneloop.types import Json

QUESTIONS = {"red or green": "red", "up or down": "down", "yes or no": '{"yes": 1}'}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


def make_learner(model: Path) -> Learner:
    learner = Learner(load_decoder(model, torch.device("cpu"), torch.float32), Adapter(base=Path(), seed=0), budget=512)
    # The tiny model's end of turn is its padding too, with an embedding of zero: no training would make it likely.
    with torch.no_grad():
        learner.head[-1] = learner.head[0].roll(1)
    return learner


def rows(chat: Chat, folder: Path, questions: Mapping[str, str] = QUESTIONS) -> list[TokenRow]:
    lines = [
        json.dumps({"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]})
        for ask, answer in questions.items()
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    units = read_units(chat, "supervised", folder / "rows.jsonl", "validation_file", seed=0)
    return [row for unit in units for row in unit.rows]


@pytest.fixture
def learnt(model: Path, tmp_path: Path) -> tuple[Learner, list[TokenRow]]:
    """A learner that knows all answers by heart."""
    learner, known = make_learner(model), rows(load_chat(model), tmp_path)
    for _ in range(60):
        learner.step(known, 0.02)
    return learner, known


def judge_of(grader: Json, units: Sequence[Unit], learner: Learner, model: Path, folder: Path) -> Judge:
    return make_judge(grader, load_chat(model), units, learner, seed=0, events=EventLog(folder / "events.jsonl"))


def said(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_the_share_of_right_answers_rises_as_they_are_learnt(model: Path, tmp_path: Path) -> None:
    learner, known = make_learner(model), rows(load_chat(model), tmp_path)
    judge = judge_of("exact_match", known, learner, model, tmp_path)
    assert judge() == 0.0
    for _ in range(60):
        learner.step(known[:2], 0.02)
    assert judge() == judge() == pytest.approx(2 / 3)
    learner.budget = 16
    assert judge() == pytest.approx(2 / 3)


def test_what_cannot_be_graded_counts_as_nothing_and_is_told_once(
    model: Path, tmp_path: Path, learnt: tuple[Learner, list[TokenRow]]
) -> None:
    learner, known = learnt
    judge = judge_of("json_match", known, learner, model, tmp_path)
    # Two of the references are no JSON.
    assert judge() == judge() == pytest.approx(1 / 3)
    warnings = [event["message"] for event in said(tmp_path) if event["level"] == "warn"]
    assert len(warnings) == 1
    assert warnings[0].startswith("The grader 'json_match' fails on row 1 of the validation file (JSONDecodeError: ")


def test_the_reference_is_the_preferred_or_good_answer(
    model: Path, tmp_path: Path, learnt: tuple[Learner, list[TokenRow]]
) -> None:
    learner, known = learnt
    pairs = [
        Pair(rows=(known[0], known[1]), good=True),
        Pair(rows=(token_row([1, 2], [3, 4]), known[2]), good=False),
    ]
    assert judge_of("exact_match", pairs, learner, model, tmp_path)() == 1.0
    with pytest.raises(InvalidInput, match="no answer"):
        judge_of("exact_match", pairs[1:], learner, model, tmp_path)


def test_the_answer_is_the_last_one_and_the_prompt_what_is_before_it(
    model: Path, tmp_path: Path, learnt: tuple[Learner, list[TokenRow]]
) -> None:
    learner, known = learnt
    asked = known[0]
    # As if an earlier turn in the prompt were learnt too.
    weights = asked.weights.copy()
    weights[3:6] = 1
    assert judge_of("exact_match", [TokenRow(asked.tokens, weights)], learner, model, tmp_path)() == 1.0


def test_many_rows_are_judged_by_a_hundred_that_the_seed_chooses(model: Path, tmp_path: Path) -> None:
    learner, chat = make_learner(model), load_chat(model)
    many = rows(chat, tmp_path, {f"question {index}": "yes" for index in range(120)})
    events = EventLog(tmp_path / "events.jsonl")
    chosen = []
    for seed in (0, 0, 1):
        judge = make_judge("exact_match", chat, many, learner, seed=seed, events=events)
        chosen.append([case.row for case in judge.cases])
    assert chosen[0] == chosen[1] == sorted(set(chosen[0])) != chosen[2]
    assert len(chosen[0]) == 100
    assert [event["message"] for event in said(tmp_path)] == [
        "The grader 'exact_match' judges each epoch by answers to 100 of 120 validation examples"
    ]


def test_a_judge_that_cannot_be_is_refused(model: Path, tmp_path: Path) -> None:
    learner = make_learner(model)
    with pytest.raises(InvalidInput, match="no grader 'taste'; there are exact_match"):
        judge_of("taste", [token_row([1], [2])], learner, model, tmp_path)
    with pytest.raises(InvalidInput, match="no answer"):
        judge_of("exact_match", [token_row([1], [2], weight=0.0)], learner, model, tmp_path)
    prose = rows(load_chat(model), tmp_path, {"red or green": "red", "up or down": "down"})
    with pytest.raises(InvalidInput, match="'json_match' can grade no answer of the validation file"):
        judge_of("json_match", prose, learner, model, tmp_path)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (" red\n", "red"),
        ("<think>\nIs it?\n</think>\n\nred", "red"),
        ("so</think>red", "red"),
        (
            '<tool_call>\n{"name": "f", "arguments": {"b": 1, "a": 2}}\n</tool_call>',
            '{"arguments":{"a":2,"b":1},"name":"f"}',
        ),
        ("<tool_call>f</tool_call>", "<tool_call>f</tool_call>"),
        ('<tool_call>{"name": "f"}</tool_call>', '<tool_call>{"name": "f"}</tool_call>'),
        ("a<|im_end|>", "a"),
    ],
)
def test_answers_are_graded_as_they_are_served(model: Path, tmp_path: Path, written: str, text: str) -> None:
    chat = load_chat(model)
    (row,) = rows(chat, tmp_path, {"x": written})
    assert answer_text(chat, row.tokens[row.weights != 0].tolist()) == text


SAME = {
    "type": "python",
    "name": "py",
    "source": "def grade(sample, item): return sample['output_text'] == item['reference']",
}
GRADERS: list[Json] = [
    {"type": "label", "name": "label"},
    {"type": "string_check", "name": "s", "operation": "eq", "input": "{{sample.output_text}}"}
    | {"reference": "{{item.reference}}"},
    {"type": "multi", "name": "m", "graders": {"a": {"type": "label", "name": "l"}}, "calculate_output": "a"},
    SAME,
]


@pytest.mark.parametrize("grader", GRADERS, ids=lambda grader: grader["type"])
def test_a_grader_judges_as_a_metric_does(
    grader: Json, learnt: tuple[Learner, list[TokenRow]], model: Path, tmp_path: Path
) -> None:
    learner, known = learnt
    assert judge_of(grader, known, learner, model, tmp_path)() == 1
    assert said(tmp_path)[0]["data"] == {"grader": grader["name"], "judged_rows": 3}


def test_a_grader_reads_the_fields_of_a_reference(
    learnt: tuple[Learner, list[TokenRow]], model: Path, tmp_path: Path
) -> None:
    learner, known = learnt
    field = {"type": "regex", "name": "r", "pattern": "{{item.reference_json.yes}}"}
    assert judge_of(field, known, learner, model, tmp_path)() == pytest.approx(1 / 3)
    assert "there is no 'item.reference_json.yes'" in said(tmp_path)[-1]["message"]


def test_a_grader_that_can_grade_no_reference_is_refused(
    learnt: tuple[Learner, list[TokenRow]], model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match="can grade no answer of the validation file"):
        judge_of({"type": "sql", "name": "s", "setup": "CREATE TABL"}, learnt[1], learnt[0], model, tmp_path)
