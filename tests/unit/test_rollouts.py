"""What there is to learn from answers and their rewards, and the numbers by which they are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tuneloop.errors import InvalidInput
from tuneloop.graders import Failure
from tuneloop.protocols import TrainingSpec
from tuneloop.training.rewards import Reward
from tuneloop.training.rollouts import Rollouts, advantages_of, answer_length, explore
from tuneloop.training.rows import Prompt
from tuneloop.training.tree import TokenRow
from tuneloop.training.writing import Answer

NONE = float("nan")


def spec(**settings: Any) -> TrainingSpec:
    return TrainingSpec(model="m", training_file="t", method="reinforcement", **settings)


def rollouts(values: list[list[float]], failures: dict[int, str] | None = None) -> Rollouts:
    """Prompts of 2 tokens; the answers to each have 1, 2, 3, ... tokens, and the first of them was cut."""
    prompts = [
        Prompt(line=line, row=TokenRow(np.array([5, line]), np.zeros(2, dtype=np.float32)), item={})
        for line in range(1, len(values) + 1)
    ]
    answers = [
        [
            Answer(tokens=np.arange(1, n + 2), log_probabilities=np.full(n + 1, -0.5, dtype=np.float32), ended=n > 0)
            for n in range(len(group))
        ]
        for group in values
    ]
    flat = [None if value != value else value for group in values for value in group]
    errors: Any = failures or {}
    rewards = [
        Reward(value=value, failures=[Failure(errors[index], "")] if index in errors else [])
        for index, value in enumerate(flat)
    ]
    return Rollouts(prompts, answers, rewards, np.array(values))


def test_advantages_are_beside_the_group_and_in_deviations_of_the_step() -> None:
    values = np.array([[0.0, 1.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.9]])
    found = advantages_of(values)
    assert np.allclose(found, (values - [[0.5], [0.6]]) / (values.std() + 1e-4))
    # A grader of another range teaches the same.
    assert np.allclose(advantages_of(100 * values + 7), found, atol=1e-2)


def test_answers_that_are_all_alike_teach_nothing() -> None:
    values = np.array([[0.1, 0.1, 0.1], [0.7, 0.7, 0.7], [0.0, 0.3, 0.6]])
    found = advantages_of(values)
    assert not found[:2].any() and found[2].any()
    assert not advantages_of(np.full((2, 3), 0.1)).any()
    assert not advantages_of(np.full((2, 3), 1e9)).any()


def test_answers_without_a_reward_have_no_part() -> None:
    found = advantages_of(np.array([[0.0, NONE, 1.0], [NONE, NONE, NONE], [NONE, 1.0, NONE]]))
    assert np.isnan(found).tolist() == [[False, True, False], [True, True, True], [True, False, True]]
    assert found[0, 0] == -found[0, 2] and found[2, 1] == 0.0


def test_only_prompts_whose_answers_differ_are_learnt_from() -> None:
    samples = rollouts([[1.0, 1.0, 1.0], [0.0, NONE, 1.0], [NONE, NONE, 0.5]]).samples()
    assert [sample.row.tokens.tolist() for sample in samples] == [[5, 2, 1], [5, 2, 1, 2, 3]]
    assert [sample.row.weights.tolist() for sample in samples] == [[0, 0, 1], [0, 0, 1, 1, 1]]
    assert samples[0].advantage == -samples[1].advantage < 0
    assert samples[1].drawn.tolist() == [-0.5] * 3
    assert rollouts([[1.0, 1.0]]).samples() == []


def test_metrics_are_means_over_all_answers() -> None:
    subject = rollouts(
        [[1.0, 0.0], [NONE, 0.5]],
        {1: "sample_parse_error", 2: "model_grader_server_error"},
    )
    assert subject.metrics() == {
        "mean_reward": 0.5,
        "mean_parse_error": 0.25,
        "mean_grader_error": 0.25,
        "completion_tokens_mean": 1.5,
        "mean_truncated": 0.5,
        "differing": 0.5,
    }
    assert subject.tokens == 4 * 2 + 6


@pytest.mark.parametrize(
    ("settings", "rows", "expected"),
    [
        ({}, 0, {"samples": 8, "eval_samples": 4, "compute_multiplier": 1.0, "max_completion_tokens": 256}),
        ({}, 20, {"eval_samples": 3}),
        ({}, 100, {"eval_samples": 1}),
        ({"compute_multiplier": 0.00001}, 0, {"samples": 2, "compute_multiplier": 0.00001}),
        ({"compute_multiplier": 2.5, "eval_samples": 7}, 0, {"samples": 20, "eval_samples": 7}),
        ({"compute_multiplier": 10.0}, 0, {"samples": 64}),
        ({"reasoning_effort": "low"}, 0, {"max_completion_tokens": 128}),
        ({"reasoning_effort": "high"}, 0, {"max_completion_tokens": 512}),
        ({"reasoning_effort": "high", "max_completion_tokens": 9}, 0, {"max_completion_tokens": 9}),
        ({"temperature": 0.7, "seed": -1}, 0, {"temperature": 0.7, "seed": 2**64 - 1}),
    ],
)
def test_numbers_are_chosen_where_none_are_given(settings: dict[str, Any], rows: int, expected: dict[str, Any]) -> None:
    found = explore(spec(**settings), rows)
    assert {name: getattr(found, name) for name in expected} == expected
    told = found.told()
    assert told["max_completion_tokens"] == answer_length(spec(**settings))
    assert {"compute_multiplier", "eval_samples", "temperature"} <= told.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [("compute_multiplier", 11), ("temperature", 0), ("eval_samples", 0), ("max_completion_tokens", 0)],
)
def test_numbers_out_of_range_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as error:
        explore(spec(**{name: value}), 0)
    assert error.value.param == name


def test_chances_are_the_steps_own_and_the_same_each_time() -> None:
    subject = explore(spec(seed=5, max_completion_tokens=6, eval_samples=2), 0)
    first, second = subject.chances("training", 1, 3), subject.chances("training", 2, 3)
    assert first.shape == (3, 8, 6) and (first == subject.chances("training", 1, 3)).all()
    assert not (first == second).any()
    assert not (first == explore(spec(seed=6, max_completion_tokens=6), 0).chances("training", 1, 3)).any()
    looks = [subject.chances("validation", step, 3) for step in (0, 4)]
    assert looks[0].shape == (3, 2, 6) and (looks[0] == looks[1]).all()
    assert not (looks[0] == first[:, :2]).any()
