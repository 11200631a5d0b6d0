"""What a run is told, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import InvalidInput
from tuneloop.training.spec import read_spec


def write(folder: Path, **settings: Any) -> Path:
    (folder / "spec.json").write_text(json.dumps({"model": "m", "training_file": "t"} | settings))
    return folder


def test_a_spec_is_read(tmp_path: Path) -> None:
    spec = read_spec(write(tmp_path, method="dpo", beta=0.3, schedule="linear", patience=2))
    assert (spec.method, spec.beta, spec.schedule, spec.patience, spec.warmup) == ("dpo", 0.3, "linear", 2, 0.1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("method", "ppo", "method must be one of supervised, dpo, kto, reinforcement, not 'ppo'"),
        ("tuning", "half", "tuning must be one of lora, full"),
        ("schedule", "step", "schedule must be one of cosine, linear, constant"),
        ("reasoning_effort", "huge", "reasoning_effort must be one of default, low, medium, high"),
        ("beta", 0, "beta must be a number from 0.0001 to 100, not 0"),
        ("beta", "much", "not 'much'"),
        ("warmup", 1.5, "warmup must be a number from 0 to 1, not 1.5"),
        ("weight_decay", -0.1, "weight_decay must be a number from 0 to 1"),
        ("patience", 0, "patience must be a whole number from 1, not 0"),
        ("patience", 1.5, "not 1.5"),
        ("patience", True, "not True"),
        ("grader", "exact_match", "give one"),
    ],
)
def test_what_cannot_be_is_named(tmp_path: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        read_spec(write(tmp_path, **{name: value}))
    assert error.value.param == name


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"model": "m", "training_file": "t", "unknown": 1}'])
def test_a_file_that_is_no_spec_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(InvalidInput, match="no training spec"):
        read_spec(tmp_path)
