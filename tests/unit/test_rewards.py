"""Rewards: graded once, kept, and what becomes of answers that cannot be graded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import InvalidInput
from tuneloop.graders import Grader, GradingFailed, Verdict
from tuneloop.graders.grading import ErrorName
from tuneloop.training.records import EventLog
from tuneloop.training.rewards import Given, Rewards

ANSWER = Given(
    split="training",
    step=3,
    line=7,
    number=0,
    item={"right": "yes"},
    message={"role": "assistant", "content": "yes"},
    finish_reason="stop",
)


class Script:
    """A grader that gives 1 for the right answer, fails where it is told to, and counts how often it is asked."""

    def __init__(self, failing: Mapping[str, ErrorName] | None = None) -> None:
        self.asked: list[Any] = []
        self.failing = failing or {}

    def __call__(self, item: Mapping[str, Any], sample: Mapping[str, Any]) -> Verdict:
        self.asked.append(sample)
        text = sample["output_text"]
        if text in self.failing:
            raise GradingFailed(self.failing[text], f"about {text}")
        return Verdict(reward=float(text) if text[:1].isdigit() else float(text == item["right"]))


def rewards_of(script: Script, folder: Path) -> Rewards:
    grader = Grader(name="taste", type="string_check", score=script)
    return Rewards(grader, folder / "samples.jsonl", EventLog(folder / "events.jsonl"))


def answers(*texts: str) -> list[Given]:
    said = [{"role": "assistant", "content": text} for text in texts]
    return [replace(ANSWER, number=number, message=message) for number, message in enumerate(said)]


def warnings(folder: Path) -> list[str]:
    return [json.loads(line)["message"] for line in (folder / "events.jsonl").read_text().splitlines()]


def test_an_answer_is_graded_as_a_client_would_get_it(tmp_path: Path) -> None:
    script = Script()
    called = replace(
        ANSWER,
        message={"role": "assistant", "content": None, "tool_calls": [{"id": "call_0", "type": "function"}]},
        finish_reason="tool_calls",
    )
    (reward,) = rewards_of(script, tmp_path).of([called])
    assert reward.value == 0.0
    (sample,) = script.asked
    assert sample["output_tools"] == called.message["tool_calls"] and sample["output_text"] == ""
    assert sample["choices"][0]["finish_reason"] == "tool_calls"


def test_answers_that_were_graded_are_not_graded_again(tmp_path: Path) -> None:
    script = Script()
    first = rewards_of(script, tmp_path).of(answers("yes", "no", "0.25"))
    assert [reward.value for reward in first] == [1.0, 0.0, 0.25]
    assert len(script.asked) == 3
    # As after kill -9 in the middle of a line.
    with (tmp_path / "samples.jsonl").open("ab") as kept:
        kept.write(b'{"id": "12')
    again = rewards_of(script, tmp_path)
    assert again.of(answers("yes", "no", "0.25")) == first
    assert len(script.asked) == 3
    # Another answer in the same place, and the same one in another, are new.
    again.of(answers("no"))
    again.of([replace(ANSWER, step=4)])
    again.of([replace(ANSWER, split="validation")])
    assert len(script.asked) == 6
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [line["reward"] for line in lines] == [1.0, 0.0, 0.25, 0.0, 1.0, 1.0]
    kept_one = {key: value for key, value in lines[1].items() if key != "id"}
    assert kept_one == {
        "split": "training",
        "step": 3,
        "example": 7,
        "sample": 1,
        "message": {"role": "assistant", "content": "no"},
        "finish_reason": "stop",
        "reward": 0.0,
        "sub_rewards": {},
        "failures": [],
    }


def test_what_the_answer_is_to_blame_for_is_worth_nothing(tmp_path: Path) -> None:
    script = Script({"{": "sample_parse_error", "?": "python_grader_runtime_error"})
    found = rewards_of(script, tmp_path).of(answers("{", "?", "yes", "{"))
    assert [reward.value for reward in found] == [0.0, 0.0, 1.0, 0.0]
    assert [[failure.error for failure in reward.failures] for reward in found] == [
        ["sample_parse_error"],
        ["python_grader_runtime_error"],
        [],
        ["sample_parse_error"],
    ]
    assert warnings(tmp_path) == [
        "The grader 'taste' fails on an answer to example 7 of the training file, which gets 0 "
        f"({error}: about {text}). Others like it are only counted"
        for error, text in (("sample_parse_error", "{"), ("python_grader_runtime_error", "?"))
    ]


@pytest.mark.parametrize(
    "error",
    [
        "model_grader_server_error",
        "model_grader_parse_error",
        "model_grader_refusal_error",
        "python_grader_server_error",
    ],
)
def test_what_the_grader_is_to_blame_for_leaves_the_answer_out(tmp_path: Path, error: ErrorName) -> None:
    found = rewards_of(Script({"?": error}), tmp_path).of(answers("yes", "?", "no"))
    assert [reward.value for reward in found] == [1.0, None, 0.0]
    assert "which is left out" in warnings(tmp_path)[0]
    assert rewards_of(Script(), tmp_path).of(answers("yes", "?", "no")) == found, "the failure is kept as well"


def test_a_reward_without_end_is_none(tmp_path: Path) -> None:
    found = rewards_of(Script(), tmp_path).of(answers("1e999", "0.5"))
    assert [reward.value for reward in found] == [None, 0.5]
    assert found[0].failures[0].error == "unresponsive_reward_error"


def test_a_grader_that_can_grade_nothing_ends_the_run(tmp_path: Path) -> None:
    rewards = rewards_of(Script({"a": "model_grader_server_error", "b": "model_grader_server_error"}), tmp_path)
    with pytest.raises(InvalidInput, match="'taste' could grade none of the 2 answers of step 3: about a") as error:
        rewards.of(answers("a", "b"))
    assert (error.value.param, error.value.code) == ("method.reinforcement.grader", "grader_failed")
    assert rewards.of([]) == []
