"""What a tuning will take: said before there is a job, by the verb, the route and the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.tiny import write_tiny_model
from tuneloop import datasets, estimates, examples, finetuning, methods, tuning
from tuneloop.api.app import build
from tuneloop.cli.commands import app as commands
from tuneloop.errors import InvalidInput, NotFound, Unavailable
from tuneloop.loop import Loop
from tuneloop.measured import Measured, Unwanted
from tuneloop.settings import load
from tuneloop.store.log_writer import LogWriter
from tuneloop.tuning import Needs, Recipe
from tuneloop.types import Dataset

KEY = "tl-test"


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("TUNELOOP_API_KEY", KEY)
    monkeypatch.setenv("TUNELOOP_BASE_MODEL", "tiny")
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tuneloop.json").write_text(json.dumps({"source": "x", "licence": "x", "created_at": 1.0}))
    made = Loop(settings=load())
    yield made
    made.store.close()


def rows(count: int, words: int = 1) -> list[dict[str, Any]]:
    return [{"prompt": f"question {i}", "completion": "yes " * words} for i in range(count)]


def dataset(loop: Loop, count: int = 40, *, words: int = 1, shares: datasets.Shares = (0.8, 0.2, 0)) -> Dataset:
    found = map(examples.modern, rows(count, words))
    return datasets.import_rows(loop.store, "desk", found, origin="", shares=shares)


def foreseen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every measurement says the same; returns what each was told."""
    told: list[dict[str, Any]] = []

    def foresee(loop: Loop, content: Any, model: str, **more: Any) -> Needs:
        told.append({"model": model, "rows": len(list(content)), **more})
        return Needs(seconds=360.0, bytes=2**30, steps=100, epochs=10)

    monkeypatch.setattr(tuning, "foresee", foresee)
    return told


def test_epochs_follow_from_the_rows_and_the_care() -> None:
    assert [estimates.epochs("supervised", 50, care) for care in estimates.CARES] == [4, 12, 24]
    assert [estimates.epochs("supervised", 5000, care) for care in estimates.CARES] == [1, 3, 6]
    assert methods.usual_epochs("reinforcement", 12, 4) == 15


def test_what_is_known_at_once(loop: Loop) -> None:
    made = dataset(loop)
    known = estimates.look(loop, made, Recipe())
    assert known.rows + known.validation_rows == 40 and known.seconds is None
    assert known.problems == [] and known.warnings[-1] == "no test rows"
    assert known.epochs["thorough"] == 2 * known.epochs["usual"]


def test_all_that_is_wrong_is_said_together(loop: Loop) -> None:
    made = dataset(loop, 12, shares=(1, 0, 0))
    wrong = Recipe(model="gpt-9", suffix="x" * 65, seed=2**70, hyperparameters={"n_epochs": 99, "grader": "chrf"})
    said = "\n".join(estimates.look(loop, made, wrong).problems)
    for words in (
        "'gpt-9' cannot be fine-tuned",
        "1 to 64 printable",
        "'seed' must",
        "'n_epochs' must",
        "by validation rows",
    ):
        assert words in said
    few = estimates.look(loop, made, Recipe(method="dpo"))
    assert few.rows == 0 and "dpo needs at least 10" in few.problems[0]


def test_a_measurement_is_kept_and_counts_for_every_number_of_epochs(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, made = foreseen(monkeypatch), dataset(loop)
    first = estimates.measure(loop, made, Recipe())
    assert (first.n_epochs, first.steps, first.seconds, first.bytes, first.dollars) == (10, 100, 360.0, 2**30, None)
    half = estimates.measure(loop, made, Recipe(hyperparameters={"n_epochs": 5, "patience": 2, "grader": "chrf"}))
    assert (half.n_epochs, half.steps, half.seconds) == (5, 50, 180.0)
    assert "answers for the grader after each epoch" in half.warnings[-1]
    assert estimates.look(loop, made, Recipe()).seconds == 360.0
    assert len(told) == 1 and told[0]["rows"] == first.rows and told[0]["method"] == "supervised"
    estimates.measure(loop, made, Recipe(hyperparameters={"batch_size": 2}))
    assert len(told) == 2 and told[1]["batch_size"] == 2


def test_the_cost_is_that_of_the_machines_time(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen(monkeypatch)
    priced = Loop(settings=replace(loop.settings, dollars_per_hour=2.0))
    assert estimates.measure(priced, dataset(loop), Recipe()).dollars == pytest.approx(0.2)
    priced.store.close()


def test_what_cannot_be_measured_does_not_keep_anybody_from_it(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    made = dataset(loop)
    away = estimates.measure(loop, made, Recipe(model="gemma-3-270m"))
    assert away.problems == [] and "gemma-3-270m is not on this machine yet" in away.warnings[-1]
    grader = {"type": "string_check", "name": "g", "operation": "eq", "input": "a", "reference": "a"}
    drawn = estimates.measure(loop, made, Recipe(method="reinforcement", hyperparameters={"grader": grader}))
    assert drawn.problems == [] and "measured when it begins" in drawn.warnings[-1]

    def fails(*_: Any, **__: Any) -> Needs:
        raise Unavailable("it crashed")

    monkeypatch.setattr(tuning, "foresee", fails)
    crashed = estimates.measure(loop, made, Recipe())
    assert crashed.problems == [] and crashed.warnings[-1].endswith("it crashed")


def test_the_first_steps_of_a_real_run_are_measured(loop: Loop, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "models" / "tiny")
    known = estimates.measure(loop, dataset(loop), Recipe(hyperparameters={"n_epochs": 2}))
    assert known.problems == [] and known.n_epochs == 2 and known.steps == 2 * -(-known.rows // 4)
    assert known.seconds is not None and known.seconds > 0 and known.bytes
    long = dataset(loop, words=3000)
    assert "have more tokens than the model's context" in estimates.measure(loop, long, Recipe()).problems[0]


def test_a_measurement_ends_when_nobody_waits_for_it() -> None:
    measured, begun, done = Measured(), threading.Event(), threading.Event()

    def slow() -> int:
        begun.set()
        done.wait(10)
        return 1

    first = threading.Thread(target=measured.get, args=("a", slow))
    first.start()
    begun.wait(10)
    with pytest.raises(Unwanted):
        measured.get("b", lambda: 2, wanted=lambda: False)
    measured.keep("c", 4)
    assert measured.find("c") == 4
    done.set()
    first.join()
    assert measured.find("a") == 1 == measured.get("a", lambda: 3)
    with pytest.raises(Unwanted):
        measured.get("b", lambda: 2, wanted=lambda: False)
    assert measured.find("b") is None


def test_the_route(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen(monkeypatch)
    made = dataset(loop)
    writer = LogWriter(loop.store.database)
    http = TestClient(build(loop, writer), headers={"Authorization": f"Bearer {KEY}"})
    found = http.post("/v1/estimates", json={"dataset": "desk", "hyperparameters": {"n_epochs": 1}}).json()
    assert (found["object"], found["dataset"], found["model"], found["seconds"]) == ("estimate", made.id, "tiny", 36.0)
    assert set(found["epochs"]) == {"quick", "usual", "thorough"} and found["problems"] == []
    at_once = http.post(
        "/v1/estimates", json={"dataset": "desk", "measure": False, "hyperparameters": {"lora_rank": 2}}
    )
    assert at_once.json()["seconds"] is None
    for body, param in (
        ({}, "dataset"),
        ({"dataset": "desk", "rows": 3}, "rows"),
        ({"dataset": "desk", "method": "ppo"}, "method"),
        ({"dataset": "desk", "method": ["dpo"]}, "method"),
        ({"dataset": "desk", "hyperparameters": 3}, "hyperparameters"),
        ({"dataset": "desk", "seed": "1"}, "seed"),
        ({"dataset": "desk", "measure": "no"}, "measure"),
    ):
        answer = http.post("/v1/estimates", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert http.post("/v1/estimates", json={"dataset": "else"}).status_code == 404
    assert http.post("/v1/estimates", json={"dataset": "desk", "prompt": "none"}).status_code == 404
    writer.close()


def test_the_command_says_it_and_makes_no_job(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    foreseen(monkeypatch)
    dataset(loop)
    said = CliRunner().invoke(commands, ["tune", "desk", "--estimate", "--epochs", "5"])
    assert said.exit_code == 0 and "5 epochs, 50 steps: about 3 min and 1.0 GiB of memory" in said.output
    wrong = CliRunner().invoke(commands, ["tune", "desk", "--estimate", "--method", "dpo"])
    assert wrong.exit_code == 1 and "dpo needs at least 10" in wrong.output
    assert loop.store.jobs.all() == [] and loop.store.files.all() == []


def test_faults_of_a_request_and_its_refusal_are_the_same(loop: Loop) -> None:
    asked = {**tuning.asked(loop, dataset(loop), Recipe()), "suffix": "x" * 65}
    (fault,) = finetuning.faults(loop.store, asked, tunable=loop.tunable)
    with pytest.raises(InvalidInput) as refused:
        finetuning.create(loop.store, {**asked, "training_file": "x"}, tunable=loop.tunable)
    assert refused.value.message in (fault.message, "invalid training_file: x: there is no such file")
    with pytest.raises(NotFound):
        estimates.of_request(loop, {"dataset": "nothing"})


def test_words_for_time_and_memory() -> None:
    assert [estimates.duration(s) for s in (0.2, 89, 100, 5399, 7260)] == [
        "0 s",
        "89 s",
        "2 min",
        "1 h 30 min",
        "2 h 1 min",
    ]
    assert estimates.memory(3 * 2**30) == "3.0 GiB"
