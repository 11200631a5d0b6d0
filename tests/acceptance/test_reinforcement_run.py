"""Whole runs that learn from grades of their own answers."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.acceptance.test_training_run import events, start
from tests.tiny import write_tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingResult
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.training.records import EventLog
from tuneloop.training.run import train

#: makes a folder with a spec.json
MakeRun = Callable[..., Path]

WEIGHTS = "adapter_model.safetensors"
LIKE_E = {
    "type": "string_check",
    "name": "e",
    "operation": "like",
    "input": "{{sample.output_text}}",
    "reference": "{{item.letter}}",
}
#: counts letters; fails where there is none
SHARE_OF_E = """
import random

def grade(sample, item):
    return sample["output_text"].count(item["letter"]) / len(sample["output_text"]) + 1e-9 * random.random()
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("model"))
    # Its end of turn is its padding too, with an embedding of zero, which is as likely as anything else.
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][-1] = weights["model.embed_tokens.weight"][0].roll(1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def make_run(tmp_path: Path, model: Path) -> MakeRun:
    def make(name: str, grader: dict[str, Any] = LIKE_E, **settings: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rows = [
            json.dumps({"messages": [{"role": "user", "content": f"Say {index}."}], "letter": "e"})
            for index in range(12)
        ]
        (folder / "train.jsonl").write_text("\n".join(rows))
        (folder / "validation.jsonl").write_text("\n".join(rows[:4]))
        spec = {
            "model": str(model),
            "method": "reinforcement",
            "reward": grader,
            "training_file": str(folder / "train.jsonl"),
            "validation_file": str(folder / "validation.jsonl"),
            "batch_size": 4,
            "n_epochs": 10,
            "max_completion_tokens": 8,
            "learning_rate_multiplier": 60,
            "seed": 5,
            "threads": 1,
        }
        (folder / "spec.json").write_text(json.dumps(spec | settings))
        return folder

    return make


def finish(folder: Path) -> TrainingResult:
    """Run to the end, in this process."""
    return train(folder, EventLog(folder / "events.jsonl"), lambda: False)


def steps(folder: Path) -> list[dict[str, Any]]:
    return [event["data"] for event in events(folder) if event["type"] == "metrics"]


def samples(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]


def test_rewards_rise_and_the_best_look_is_kept(make_run: MakeRun) -> None:
    folder = make_run("run")
    result = finish(folder)
    said = [event["message"] for event in events(folder)]
    assert any(text.startswith("Before training: validation mean reward=") for text in said)
    (training,) = [text for text in said if text.startswith("Training on")]
    assert "12 prompts, with 8 answers drawn to each prompt of a step: 30 steps (n_epochs=10" in training
    assert " min and " in training
    told = steps(folder)
    assert len(told) == 30 and [one["step"] for one in told] == list(range(1, 31))
    looks = [one for one in told if "full_valid_mean_reward" in one]
    assert [one["step"] for one in looks] == list(range(3, 31, 3))
    before, *_ = [event["data"]["valid_mean_reward"] for event in events(folder) if "Before" in event["message"]]
    best = max(one["full_valid_mean_reward"] for one in looks)
    assert best > before + 0.5
    assert told[-1]["train_mean_reward"] > 0.5 and told[-1]["train_completion_tokens_mean"] <= 8
    assert "valid_loss" not in told[-1] and all("train_loss" in one for one in told)
    assert said[said.index(training) + 1].startswith("Step 1/30: training loss=")
    assert ", train mean reward=" in said[said.index(training) + 1]
    first = next(index for index, one in enumerate(looks, start=1) if one["full_valid_mean_reward"] == best)
    kept = folder / f"checkpoints/epoch-{first}"
    assert (folder / "adapter" / WEIGHTS).read_bytes() == (kept / WEIGHTS).read_bytes()
    assert (folder / "adapter" / "adapter.gguf").exists()
    numbers = result.hyperparameters
    wanted = {"n_epochs": 10, "batch_size": 4, "eval_interval": 3, "eval_samples": 4, "compute_multiplier": 1.0}
    assert wanted.items() <= numbers.items() and numbers["beta"] == 0.04
    assert result.trained_tokens > 30 * 32 * 10 and math.isnan(result.valid_loss or math.nan)
    header, *lines = (folder / "results.csv").read_text().splitlines()
    assert header == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(lines) == 30 and lines[0].startswith("1,") and lines[0].endswith(",,,")


def test_looks_are_where_they_are_asked_for(make_run: MakeRun) -> None:
    folder = make_run("run", n_epochs=3, eval_interval=4, eval_samples=1, compute_multiplier=0.25, patience=2)
    finish(folder)
    assert [one["step"] for one in steps(folder) if "valid_mean_reward" in one] == [4, 8, 9]
    assert [event["data"]["step"] for event in events(folder) if event["message"].startswith("Checkpoint")] == [4, 8, 9]
    drawn = samples(folder)
    assert len([one for one in drawn if one["split"] == "training" and one["step"] == 1]) == 4 * 2
    assert len([one for one in drawn if one["split"] == "validation" and one["step"] == 4]) == 4


@pytest.mark.parametrize(
    "grader", [LIKE_E, {"type": "python", "name": "share", "source": SHARE_OF_E}], ids=["string_check", "python"]
)
def test_a_killed_run_comes_to_the_same(make_run: MakeRun, grader: dict[str, Any]) -> None:
    """Also with a grader that says something else each time: about what had been graded before, it is not asked."""
    short = {"n_epochs": 3, "compute_multiplier": 0.5, "eval_samples": 1}
    killed, straight = make_run("killed", grader, **short), make_run("straight", grader, **short)
    process = start(killed)
    deadline = time.monotonic() + 60
    while len(steps(killed)) < 4:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    finish(killed)
    assert any(event["message"].startswith("Resumed from the checkpoint") for event in events(killed))
    places = [(one["split"], one["step"], one["example"], one["sample"]) for one in samples(killed)]
    assert len(places) == len(set(places)), "nothing is graded twice"
    if grader["type"] == "python":
        (straight / "samples.jsonl").write_bytes((killed / "samples.jsonl").read_bytes())
    finish(straight)
    assert sorted(map(str, samples(straight))) == sorted(map(str, samples(killed)))
    told = ("step", "train_loss", "train_mean_reward", "train_completion_tokens_mean", "valid_mean_reward")
    assert [[one.get(key) for key in told] for one in steps(killed)] == [
        [one.get(key) for key in told] for one in steps(straight)
    ]
    assert (killed / "adapter" / WEIGHTS).read_bytes() == (straight / "adapter" / WEIGHTS).read_bytes()


JUDGE = {
    "type": "score_model",
    "name": "taste",
    "model": "judge",
    "input": [{"role": "user", "content": "How much {{item.letter}} is in {{sample.output_text}}?"}],
}


def test_a_model_judges_over_http(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_run("run", JUDGE, n_epochs=1, compute_multiplier=0.25, eval_samples=1)
    with UpstreamFake(Answer(text='{"result": 0.25}')) as judge:
        judge.enqueue(Answer(text="no number"))
        monkeypatch.setenv("TUNELOOP_BASE_URL", judge.base_url)
        monkeypatch.setenv("TUNELOOP_API_KEY", "key")
        finish(folder)
        asked = judge.requests
    assert {one.headers["authorization"] for one in asked} == {"Bearer key"}
    assert asked[0].json["model"] == "judge" and "How much e is in" in asked[0].json["messages"][0]["content"]
    assert {one["train_mean_reward"] for one in steps(folder)} == {0.25}
    warning, _ = [event["message"] for event in events(folder) if event["level"] == "warn"]
    assert "which is left out (model_grader_parse_error" in warning


def test_a_judge_whom_nobody_can_ask_fails_the_run(make_run: MakeRun) -> None:
    with pytest.raises(InvalidInput, match="start `tuneloop serve`") as error:
        finish(make_run("run", JUDGE))
    assert (error.value.code, error.value.param) == ("grader_failed", "method.reinforcement.grader")


def test_a_run_in_which_nothing_was_learnt_says_so(make_run: MakeRun) -> None:
    never = {**LIKE_E, "reference": "there is no such answer"}
    folder = make_run("run", never, n_epochs=1, compute_multiplier=0.25, eval_samples=1)
    finish(folder)
    assert {one["train_differing"] for one in steps(folder)} == {0.0}
    (warning,) = [event["message"] for event in events(folder) if event["level"] == "warn"]
    assert warning == "Nothing was learnt: in each step all answers to a prompt were worth the same"
