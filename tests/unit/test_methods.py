"""Methods and hyperparameters as requests name them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop import methods
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import PromptRow
from tuneloop.protocols import Method, TrainingSpec

AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}


GRADER = {
    "type": "string_check",
    "name": "right",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}
#: methods that have a hyperparameter where dpo has not
_OWNERS = dict.fromkeys(
    (
        "reasoning_effort",
        "compute_multiplier",
        "eval_interval",
        "eval_samples",
        "temperature",
        "max_completion_tokens",
    ),
    "reinforcement",
)
EXPLORING = {
    "reasoning_effort": "default",
    "compute_multiplier": "auto",
    "eval_interval": "auto",
    "eval_samples": "auto",
}


def request(method: str, **hyperparameters: Any) -> dict[str, Any]:
    more = {"grader": GRADER} if method == "reinforcement" else {}
    return {"method": {"type": method, method: {**more, "hyperparameters": hyperparameters}}}


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
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": GRADER}}},
            ("reinforcement", AUTO | EXPLORING),
        ),
        (
            request("reinforcement", reasoning_effort="low", compute_multiplier=1e-5, eval_interval=3, eval_samples=2),
            (
                "reinforcement",
                AUTO | {"reasoning_effort": "low", "compute_multiplier": 1e-5, "eval_interval": 3, "eval_samples": 2},
            ),
        ),
        (request("reinforcement", reasoning_effort=None, beta=0), ("reinforcement", AUTO | EXPLORING | {"beta": 0.0})),
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
    }
    drawing = {"beta": 0.1, "temperature": 0.7, "max_completion_tokens": 20}
    for method in methods.METHODS:
        given_ = ours | (drawing if method == "reinforcement" else {"grader": "json_match"})
        _, found = methods.read(request(method, **given_))
        assert given_.items() <= found.items()
        TrainingSpec(model="m", training_file="f", method=method, **found)
        known = get_type_hints(TrainingSpec).keys()
        assert given_.keys() <= known, "the training run knows them by the same names"


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
        ("reasoning_effort", ["none", 1], "one of default, low, medium, high"),
        ("compute_multiplier", [0, 1e-6, 10.1], "a number from 1e-05 to 10"),
        ("eval_interval", [0, 1.5], "a whole number from 1 to 1000000"),
        ("eval_samples", [0, "many"], "a whole number from 1 to 1000"),
        ("temperature", [0, 3], "a number from 0.1 to 2"),
        ("max_completion_tokens", [0, 5000], "a whole number from 1 to 4096"),
        ("grader", ["taste", 3], "one of exact_match, label_accuracy, json_match"),
    ],
)
def test_a_wrong_value_is_named(name: str, values: list[Any], words: str) -> None:
    for value in values:
        with pytest.raises(InvalidInput) as error:
            methods.read(request(_OWNERS.get(name, "dpo"), **{name: value}))
        assert error.value.param == f"hyperparameters.{name}"
        assert error.value.message.startswith(f"'{name}' must be ") and words in error.value.message


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        (request("dpo", betta=1), "hyperparameters.betta", "did you mean 'beta'?"),
        (request("supervised", zzz=1), "hyperparameters.zzz", "there are n_epochs, batch_size,"),
        (request("supervised", beta=1), "hyperparameters.beta", "belongs to 'dpo', 'kto', 'reinforcement', not to"),
        (request("dpo", eval_interval=1), "hyperparameters.eval_interval", "belongs to 'reinforcement', not to 'dpo'"),
        (
            request("reinforcement", grader="exact_match"),
            "hyperparameters.grader",
            "is an object: 'method.reinforcement.grader'",
        ),
        (request("kto", tuning="full", lora_rank=8), "hyperparameters.lora_rank", "'tuning': 'full'"),
        ({"method": {"type": "reinforcement"}}, "method.reinforcement.grader", "Missing required parameter"),
        ({"method": {"type": "reinforcement", "reinforcement": []}}, "method.reinforcement.grader", "Missing"),
        ({"method": {"type": "reinforcement", "reinforcement": 3}}, "method.reinforcement", "must be an object"),
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": {**GRADER, "operation": "is"}}}},
            "method.reinforcement.grader.operation",
            "Supported values are",
        ),
        (
            {"method": {"type": "reinforcement", "reinforcement": {"grader": GRADER, "response_format": "json"}}},
            "response_format",
            "must be an object",
        ),
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
        shown = methods.shape(kind, found, methods.more(request(method)["method"]))
        assert methods.read({"method": shown}) == (kind, found)


def test_what_a_method_has_beside_hyperparameters_is_kept() -> None:
    response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    asked = request("reinforcement")
    asked["method"]["reinforcement"] |= {"response_format": response_format, "unknown": 1}
    more = methods.more(asked["method"])
    assert more == {"grader": GRADER, "response_format": response_format}
    kind, found = methods.read(asked)
    shown = methods.shape(kind, found, more)
    assert shown == {"type": "reinforcement", "reinforcement": {**more, "hyperparameters": found}}
    assert methods.more(shown) == more
    assert methods.more(None) == methods.more(request("dpo")["method"]) == {}


def test_what_is_no_json_is_refused() -> None:
    asked = request("reinforcement")
    asked["method"]["reinforcement"]["grader"] = {**GRADER, "reference": "\ud800"}
    with pytest.raises(InvalidInput) as error:
        methods.more(asked["method"])
    assert error.value.param == "method.reinforcement"


@pytest.mark.parametrize(
    ("grader", "missing"),
    [
        (GRADER, "item.answer"),
        ({"type": "python", "source": "# {{item.answer}}"}, None),
        ({"input": [{"role": "user", "content": "{{ item.question }} {{item.parts[1].text}}"}]}, "item.parts[1].text"),
        ({"graders": {"a": {"input": "{{sample.output_text}}", "reference": "{{item.parts[0].text}}"}}}, None),
        ({"input": "{{item['two words']}}"}, "item['two words']"),
    ],
)
def test_a_row_without_what_the_grader_reads_is_named(grader: Any, missing: str | None) -> None:
    item = {"messages": [], "question": "?", "parts": [{"text": "x"}]}
    row = PromptRow(line=12, messages=[], item=item)
    if missing is None:
        methods.check_prompt(grader, row, "training_file")
        return
    with pytest.raises(InvalidData) as error:
        methods.check_prompt(grader, row, "training_file")
    assert (error.value.param, error.value.code) == ("training_file", "invalid_training_file")
    assert error.value.message.startswith(f"Invalid file format. Example 12: the grader reads {missing!r}, which")
