"""Whole training runs in which a grader chooses the epoch."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.acceptance.test_training_run import events, result, start
from tests.tiny import write_tiny_model
from tuneloop.errors import InvalidInput
from tuneloop.training.records import EventLog
from tuneloop.training.run import train

Row = dict[str, Any]
#: makes a folder with a spec.json, from rows to learn and rows to answer
MakeRun = Callable[..., Path]

ANSWERS = ("red", "blue", "green", "pink")
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_model(tmp_path_factory.mktemp("model"))
    # Its end of turn is its padding too, with an embedding of zero: no training would make it likely.
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][-1] = weights["model.embed_tokens.weight"][0].roll(1)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def make_run(tmp_path: Path, model: Path) -> MakeRun:
    def make(name: str, rows: list[Row], validation: list[Row], **settings: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for file, lines in (("train.jsonl", rows), ("validation.jsonl", validation)):
            (folder / file).write_text("\n".join(map(json.dumps, lines)))
        spec = {
            "model": str(model),
            "training_file": str(folder / "train.jsonl"),
            "validation_file": str(folder / "validation.jsonl"),
            "grader": "exact_match",
            "batch_size": 4,
            "n_epochs": 40,
            "learning_rate_multiplier": 3,
            "threads": 1,
        }
        (folder / "spec.json").write_text(json.dumps(spec | settings))
        return folder

    return make


def row(index: int) -> Row:
    answer = ANSWERS[index % 4]
    return {"messages": [asked(index), {"role": "assistant", "content": answer}]}


def asked(index: int) -> Row:
    return {"role": "user", "content": f"The colour of {index % 4}?"}


def epochs(folder: Path) -> list[dict[str, Any]]:
    """Metrics of the last step of each epoch."""
    return [
        event["data"]
        for event in events(folder)
        if "valid_score" in (event["data"] or {}) and event["type"] == "metrics"
    ]


def test_the_epoch_with_the_best_answers_is_kept(make_run: MakeRun) -> None:
    # Patience is with the loss as long as all answers are wrong.
    folder = make_run("run", [row(index) for index in range(12)], [row(index) for index in range(4)], patience=2)
    assert start(folder).wait() == 0
    said = [event["message"] for event in events(folder)]
    assert "The grader 'exact_match' judges each epoch by answers to 4 of 4 validation examples" in said
    assert any(text.startswith("Before training: ") and "validation score=0.0000" in text for text in said)
    judged = epochs(folder)
    assert [one["valid_score"] for one in judged[:3]] == [0.0] * 3
    best = max(judged, key=lambda one: (one["valid_score"], -one["valid_loss"]))
    assert best["valid_score"] == 1.0
    kept = folder / f"checkpoints/epoch-{best['epoch']}"
    assert (folder / "adapter" / WEIGHTS).read_bytes() == (kept / WEIGHTS).read_bytes()
    assert result(folder)["valid_loss"] == best["valid_loss"]


@pytest.mark.slow
def test_a_killed_run_is_judged_as_if_it_had_not_been(make_run: MakeRun) -> None:
    rows, validation = [row(index) for index in range(12)], [row(index) for index in range(4)]
    straight, killed = (make_run(name, rows, validation) for name in ("straight", "killed"))
    assert start(straight).wait() == 0
    process = start(killed)
    deadline = time.monotonic() + 60
    while len(epochs(killed)) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert start(killed).wait() == 0
    assert any(event["message"].startswith("Resumed from the checkpoint") for event in events(killed))
    told = ("step", "valid_loss", "valid_score")
    assert [[one[key] for key in told] for one in epochs(killed)] == [
        [one[key] for key in told] for one in epochs(straight)
    ]
    assert (killed / "adapter" / WEIGHTS).read_bytes() == (straight / "adapter" / WEIGHTS).read_bytes()


def preference(index: int) -> Row:
    preferred, other = ({"role": "assistant", "content": ANSWERS[(index + shift) % 4]} for shift in (0, 1))
    return {"input": {"messages": [asked(index)]}, "preferred_output": [preferred], "non_preferred_output": [other]}


def test_preferred_and_good_answers_are_compared_with(make_run: MakeRun) -> None:
    pairs = [preference(index) for index in range(10)]
    thumbs = [row(index) | {"label": index % 2 == 0} for index in range(10)]
    for method, rows, judged in (("dpo", pairs, 10), ("kto", thumbs, 5)):
        folder = make_run(method, rows, rows, method=method, n_epochs=1, learning_rate_multiplier=1)
        train(folder, EventLog(folder / "events.jsonl"), lambda: False)
        (told,) = [event["data"] for event in events(folder) if event["message"].startswith("The grader")]
        assert told == {"grader": "exact_match", "judged_rows": judged}
        assert len(epochs(folder)) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"grader": "taste"}, "no grader 'taste'"), ({"grader": "json_match"}, "can grade no answer"), ({}, "no answer")],
)
def test_a_grader_with_nothing_to_grade_is_refused_before_training(
    make_run: MakeRun, settings: dict[str, Any], message: str
) -> None:
    thumbs = [row(index) | {"label": index % 2 == 0} for index in range(10)]
    validation = [one for one in thumbs if one["label"] == bool(settings)]
    folder = make_run("run", thumbs, validation, method="kto", **settings)
    with pytest.raises(InvalidInput, match=message) as error:
        train(folder, EventLog(folder / "events.jsonl"), lambda: False)
    assert error.value.param == "grader"
    assert not (folder / "reference.json").exists()
