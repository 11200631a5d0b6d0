"""Methods and hyperparameters as requests name them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import methods
from tuneloop.errors import InvalidInput
from tuneloop.protocols import Method, TrainingSpec

AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}


def request(method: str, **hyperparameters: Any) -> dict[str, Any]:
    return {"method": {"type": method, method: {"hyperparameters": hyperparameters}}}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ("supervised", AUTO)),
        ({"method": {"type": "supervised"}}, ("supervised", AUTO)),
        ({"hyperparameters": {"n_epochs": 3}}, ("supervised", AUTO | {"n_epochs": 3})),
        (request("supervised", batch_size=4, n_epochs=None), ("supervised", AUTO | {"batch_size": 4})),
        ({"method": {"type": "dpo"}}, ("dpo", AUTO | {"beta": "auto"})),
        (request("dpo", beta=0.1, n_epochs="auto"), ("dpo", AUTO | {"beta": 0.1})),
        (request("kto", beta=2), ("kto", AUTO | {"beta": 2.0})),
        (request("kto", lora_rank="auto", grader=None), ("kto", AUTO | {"beta": "auto"})),
    ],
)
def test_what_is_not_given_is_auto(asked: dict[str, Any], expected: tuple[str, dict[str, Any]]) -> None:
    assert methods.read(asked) == expected


def test_ours_are_read_where_they_are_given() -> None:
    ours = {
        "tuning": "lora",
        "lora_rank": 8,
        "lora_alpha": 16.0,
        "lora_targets": ["q_proj", "v_proj"],
        "quantize": True,
        "schedule": "linear",
        "warmup": 0.0,
        "weight_decay": 0.01,
        "patience": 2,
        "grader": "json_match",
    }
    for method in ("supervised", "dpo", "kto"):
        _, found = methods.read(request(method, **ours))
        assert ours.items() <= found.items()
        TrainingSpec(model="m", training_file="f", method=method, **found)
    known = get_type_hints(TrainingSpec).keys()
    assert ours.keys() <= known, "the training run knows them by the same names"


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("n_epochs", [0, 51, 1.5, True, "3", float("inf")], '"auto" or a whole number from 1 to 50'),
        ("batch_size", [0, 257], "from 1 to 256"),
        ("learning_rate_multiplier", [0, -1, float("nan"), [1]], '"auto" or a number above 0, at most 10000'),
        ("beta", [0, 2.1, "x"], '"auto" or a number above 0, at most 2'),
        ("tuning", ["qlora", 1, ["lora"]], "one of lora, full"),
        ("lora_rank", [0, 257, 2.5], "a whole number from 1 to 256"),
        ("lora_alpha", [0], "a number above 0"),
        ("lora_targets", [[], "q_proj", [""], [1]], "a list of names of linear layers"),
        ("quantize", [1, "yes"], "true or false"),
        ("schedule", ["step"], "one of cosine, linear, constant"),
        ("warmup", [-0.1, 0.6], "a number from 0 to 0.5"),
        ("weight_decay", [-1, 2], "a number from 0 to 1"),
        ("patience", [0], "a whole number from 1"),
        ("grader", ["bleu"], "one of exact_match, label_accuracy, json_match, json_fields, chrf, rouge_l"),
    ],
)
def test_a_wrong_value_is_named(name: str, values: list[Any], words: str) -> None:
    for value in values:
        with pytest.raises(InvalidInput) as error:
            methods.read(request("dpo", **{name: value}))
        assert error.value.param == f"hyperparameters.{name}"
        assert error.value.message.startswith(f"'{name}' must be ") and words in error.value.message


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        (request("dpo", betta=1), "hyperparameters.betta", "did you mean 'beta'?"),
        (request("supervised", zzz=1), "hyperparameters.zzz", "there are n_epochs, batch_size,"),
        (request("supervised", beta=1), "hyperparameters.beta", "belongs to the methods 'dpo' and 'kto'"),
        (request("kto", tuning="full", lora_rank=8), "hyperparameters.lora_rank", "'tuning': 'full'"),
        (request("reinforcement"), "method.type", "'reinforcement' is not offered; 'method.type' must be one of"),
        ({"method": {"type": "sft"}}, "method.type", "unknown method 'sft'"),
        ({"method": "dpo"}, "method.type", "unknown method None"),
        ({"method": {"type": "dpo", "dpo": "x"}}, "method.dpo", "must be an object"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": 3}}}, "hyperparameters", "must be an object"),
        ({"hyperparameters": []}, "hyperparameters", "must be an object"),
    ],
)
def test_a_wrong_request_is_named(asked: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(InvalidInput) as error:
        methods.read(asked)
    assert error.value.param == param and words in error.value.message


def test_numbers_take_the_place_of_auto_and_nothing_else_is_shown() -> None:
    given_ = {**AUTO, "beta": "auto", "lora_rank": 8}
    used = {
        "n_epochs": 3,
        "batch_size": 16,
        "learning_rate_multiplier": 1.0,
        "beta": 0.1,
        "lora_rank": 8,
        "warmup": 0.1,
    }
    assert methods.with_numbers(given_, used) == {name: used[name] for name in given_}
    assert methods.with_numbers(given_, {}) == given_


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("auto")
NAMES = ["n_epochs", "batch_size", "beta", "tuning", "lora_rank", "lora_targets", "quantize", "warmup", "grader", "x"]


@given(st.sampled_from(methods.METHODS), st.dictionaries(st.sampled_from(NAMES), PLAIN | st.lists(PLAIN, max_size=2)))
def test_whatever_is_given_it_is_taken_or_named(method: Method, hyperparameters: dict[str, Any]) -> None:
    try:
        kind, found = methods.read(request(method, **hyperparameters))
    except InvalidInput as error:
        name = (error.param or "").removeprefix("hyperparameters.")
        assert name in hyperparameters and repr(name) in error.message
    else:
        assert kind == method
        again = methods.read({"method": methods.shape(kind, found)})
        assert again == (kind, found)
