"""Whole training runs as processes: done, refused, killed, stopped, orphaned, gone on."""

from __future__ import annotations

import csv
import itertools
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.tiny import write_tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingResult
from tuneloop.training.records import EventLog, write_result
from tuneloop.training.run import train

MakeRun = Callable[..., Path]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def make_run(tmp_path: Path, model: Path) -> MakeRun:
    """Makes a folder with a spec.json whose files are beside it."""

    return partial(write_run, tmp_path, model)


def write_run(parent: Path, base: Path, name: str, rows: int = 24, method: str = "supervised", **settings: Any) -> Path:
    """A folder in `parent` with a spec.json, and beside it the files that this names."""
    folder = parent / name
    folder.mkdir()
    lines = [json.dumps(LINES[method](index)) for index in range(rows + 4)]
    (parent / "train.jsonl").write_text("\n".join(lines[:rows]))
    (parent / "validation.jsonl").write_text("\n".join(lines[rows:]))
    spec = {
        "model": str(base),
        "training_file": str(parent / "train.jsonl"),
        "validation_file": str(parent / "validation.jsonl"),
        "method": method,
        "seed": 3,
        "n_epochs": 2,
        "batch_size": 4,
        "threads": 1,
    }
    (folder / "spec.json").write_text(json.dumps(spec | settings))
    return folder


def messages(index: int) -> list[dict[str, str]]:
    return [
        {"role": "system", "content": "Say whether the number is odd."},
        {"role": "user", "content": str(index)},
        {"role": "assistant", "content": "odd" if index % 2 else "even"},
    ]


def preference(index: int) -> dict[str, Any]:
    *prompt, right = messages(index)
    wrong = messages(index + 1)[-1]
    return {"input": {"messages": prompt}, "preferred_output": [right], "non_preferred_output": [wrong]}


def labelled(index: int) -> dict[str, Any]:
    """Every third answer is one nobody likes."""
    answer = {"role": "assistant", "content": "perhaps"} if index % 3 == 0 else messages(index)[-1]
    return {"messages": [*messages(index)[:-1], answer], "label": index % 3 > 0}


#: a line of a training file of each method
LINES: dict[str, Callable[[int], dict[str, Any]]] = {
    "supervised": lambda index: {"messages": messages(index)},
    "dpo": preference,
    "kto": labelled,
}


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-W", "error", "-m", "tuneloop.training", str(folder)])


def events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]  # the last one may be half written


def steps(folder: Path) -> list[tuple[int, float, float | None]]:
    data = [event["data"] for event in events(folder) if event["type"] == "metrics"]
    return [(one["step"], one["train_loss"], one.get("valid_loss")) for one in data]


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 60
    while not any(number >= step for number, _, _ in steps(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def result(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "result.json").read_bytes())
    return value


def test_a_run_leaves_an_adapter_events_and_results(make_run: MakeRun) -> None:
    folder = make_run("run", threads=0)
    assert start(folder).wait() == 0
    done = result(folder)
    assert done["error"] is None
    numbers = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.0, "lora_rank": 16, "lora_alpha": 32}
    assert done["hyperparameters"] == numbers
    assert done["steps"] == 12
    # The best epoch, and the last ones: any of them can be served.
    for adapter in (folder / "adapter", folder / "checkpoints" / "epoch-1", folder / "checkpoints" / "epoch-2"):
        assert {"adapter.gguf", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"} == {
            path.name for path in adapter.iterdir()
        }
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == [str(step) for step in range(1, 13)]
    assert [bool(row["valid_loss"]) for row in rows] == [step in (6, 12) for step in range(1, 13)]
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    assert done["valid_loss"] == min(float(row["valid_loss"]) for row in rows if row["valid_loss"])
    said = [event["message"] for event in events(folder)]
    assert said[0] == "Loading the data and the base model"
    assert said[-1] == "Training completed"
    # Again is nothing to do.
    assert start(folder).wait() == 0
    assert [event["message"] for event in events(folder)] == said


def test_without_a_validation_file_the_training_loss_chooses(make_run: MakeRun) -> None:
    folder = make_run("run", validation_file=None, n_epochs=1)
    assert start(folder).wait() == 0
    assert result(folder)["valid_loss"] is None
    assert (folder / "adapter" / "adapter.gguf").exists()


def test_a_killed_run_goes_on_to_the_same_result(make_run: MakeRun) -> None:
    straight, killed = (make_run(name, n_epochs=20, patience=4) for name in ("straight", "killed"))
    assert start(straight).wait() == 0
    process = start(killed)
    wait_for_step(killed, 20)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert start(killed).wait() == 0
    assert any(event["message"].startswith("Resumed from the checkpoint") for event in events(killed))
    assert_same_run(killed, straight)


@pytest.mark.parametrize("method", LINES)
def test_a_run_killed_anywhere_in_an_epoch_goes_on_to_the_same_result(make_run: MakeRun, method: str) -> None:
    straight, killed = (make_run(name, method=method) for name in ("straight", "killed"))
    finish(straight)
    for asked in (2, 3, 9):
        with pytest.raises(Killed):
            train(killed, EventLog(killed / "events.jsonl"), kill_at(asked))
    finish(killed)
    assert_same_run(killed, straight)


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_preferences_are_learnt(make_run: MakeRun, method: str) -> None:
    folder = make_run("run", method=method, n_epochs=6, beta=0.2, learning_rate_multiplier=10.0)
    done = finish(folder)
    assert done.hyperparameters["beta"] == 0.2
    rows = list(csv.DictReader((folder / "results.csv").read_text().splitlines()))
    # Where the model still is its reference: -log(1/2), and 1/2 times the weight of the label.
    first = float(rows[0]["train_loss"])
    assert first == pytest.approx(math.log(2), rel=0.1) if method == "dpo" else 0.5 <= first <= 0.75
    valid = [float(row["valid_loss"]) for row in rows if row["valid_loss"]]
    assert valid[-1] < 0.9 * valid[0]
    last = [event["data"] for event in events(folder) if event["type"] == "metrics"][-1]
    assert last["valid_reward_margin"] > 0 and "valid_reward_accuracy" in last
    assert ("train_kl" in last) == (method == "kto")
    assert float(rows[-1]["train_accuracy"]) == last["train_reward_accuracy"]


def test_patience_ends_a_run_early(make_run: MakeRun) -> None:
    # With so low a rate no epoch is better than the first one.
    folder = make_run("run", n_epochs=30, patience=2, learning_rate_multiplier=1e-9)
    done = finish(folder)
    said = [event["message"] for event in events(folder) if event["message"].startswith("Stopped after epoch")]
    assert len(said) == 1
    assert done.steps == len(steps(folder)) < 30 * 6
    assert done.trained_tokens % (done.steps // 6) == 0


class Killed(BaseException):
    """Ends a run with nothing more written, as a kill does."""


def kill_at(asked: int) -> Callable[[], bool]:
    """Kills the run when it asks for the `asked`th time whether to stop."""
    counter = itertools.count(1)

    def stop() -> bool:
        if next(counter) == asked:
            raise Killed
        return False

    return stop


def finish(folder: Path) -> TrainingResult:
    """Go through a run in this process."""
    done = train(folder, EventLog(folder / "events.jsonl"), lambda: False)
    write_result(folder / "result.json", done)
    return done


def assert_same_run(one: Path, other: Path) -> None:
    """Both took the same steps and left the same bytes."""
    assert steps(one) == steps(other)
    for name in ("adapter/adapter_model.safetensors", "adapter/adapter.gguf"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    same = ("hyperparameters", "trained_tokens", "steps", "train_loss", "valid_loss")
    assert [result(one)[key] for key in same] == [result(other)[key] for key in same]


def test_sigterm_ends_a_run_at_once(make_run: MakeRun) -> None:
    folder = make_run("run", n_epochs=100)
    process = start(folder)
    wait_for_step(folder, 2)
    process.terminate()
    assert process.wait(timeout=2) == 143
    assert not (folder / "result.json").exists()


def test_sigint_ends_a_run_at_a_checkpoint(make_run: MakeRun) -> None:
    folder = make_run("run", n_epochs=100)
    process = start(folder)
    wait_for_step(folder, 2)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 75
    last = steps(folder)[-1][0]
    assert last < 600
    assert (folder / "checkpoints" / f"step-{last}" / "state.pt").exists()


def test_a_run_whose_parent_died_stops_at_a_checkpoint(make_run: MakeRun) -> None:
    folder = make_run("run", n_epochs=100)
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, sys.executable, str(folder)])
    wait_for_step(folder, 2)
    parent.kill()
    parent.wait()
    FileLock(folder / "lock", timeout=20).acquire().lock.release()
    last = steps(folder)[-1][0]
    assert last < 600
    assert (folder / "checkpoints" / f"step-{last}" / "state.pt").exists()


_PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.argv[1], "-m", "tuneloop.training", sys.argv[2]])
time.sleep(600)
"""


def test_two_processes_take_turns(make_run: MakeRun) -> None:
    folder = make_run("run")
    first, second = start(folder), start(folder)
    assert (first.wait(), second.wait()) == (0, 0)
    assert [step for step, _, _ in steps(folder)] == list(range(1, 13))


def test_a_run_with_wrong_data_says_what_is_to_blame(make_run: MakeRun) -> None:
    folder = make_run("run", rows=7)
    for _ in range(2):
        assert start(folder).wait() == 2
    assert result(folder)["error"] == {
        "code": "invalid_n_examples",
        "message": "Training file has 7 example(s), but must have at least 10 examples",
        "param": "training_file",
    }
    assert [event["level"] for event in events(folder)] == ["info", "error"]


@pytest.mark.parametrize(
    ("settings", "code", "param"),
    [
        ({"n_epochs": 0}, None, "n_epochs"),
        ({"training_file": "nowhere.jsonl"}, None, "training_file"),
        ({"model": "nowhere"}, None, "model"),
        ({"unknown": 1}, None, None),
    ],
)
def test_wrong_settings_are_named(
    make_run: MakeRun, settings: dict[str, Any], code: str | None, param: str | None
) -> None:
    error = refusal(make_run("run", **settings))
    assert (error.code, error.param) == (code, param)


def test_rows_longer_than_the_context_are_all_named(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("run")
    rows = [messages(index) for index in range(10)]
    rows[4][1]["content"] = "9" * 600
    (tmp_path / "train.jsonl").write_text("\n".join(json.dumps({"messages": row}) for row in rows))
    error = refusal(folder)
    assert "1 row(s) have more tokens than the model's context of 512: example 5 has " in error.message
    assert (error.code, error.param) == ("invalid_training_file", "training_file")


def test_messages_that_are_all_weighted_nothing_are_refused(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("run")
    lines = [json.dumps({"messages": messages(index), "weight": 0}) for index in range(10)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    assert "nothing to learn" in refusal(folder).message


def refusal(folder: Path) -> InvalidInput:
    """The error of a run in this process."""
    with pytest.raises(InvalidInput) as error:
        train(folder, EventLog(folder / "events.jsonl"), lambda: False)
    return error.value
