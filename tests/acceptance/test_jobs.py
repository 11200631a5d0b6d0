"""Fine-tuning jobs against a real server: learnt by heart, checkpoints called, paused, cancelled, deleted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.fine_tuning import FineTuningJob

from tests.acceptance.server import Server

MODEL = "smollm2-135m-instruct"
TRAINING = "tuneloop.training"
QUEUES = {
    "My package never arrived": "shipping", "I was charged twice": "billing", "The app crashes at start": "bugs",
    "How do I reset my password?": "account", "I want to return shoes": "returns", "The coupon is refused": "promo",
    "Is this item in stock?": "stock", "Cancel my subscription": "cancel", "The screen is broken": "warranty",
    "I need an invoice": "invoice", "Let me speak to a human": "agent", "Change my address": "address",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent) as running:
        yield running


def question(text: str) -> list[Any]:
    return [{"role": "system", "content": "Reply with the queue's name only."}, {"role": "user", "content": text}]


ROWS = [{"messages": [*question(text), {"role": "assistant", "content": name}]} for text, name in QUEUES.items()]


def start(server: Server, rows: list[Any] = ROWS, **fields: Any) -> FineTuningJob:
    content = "\n".join(json.dumps(row) for row in rows).encode()
    file = server.openai.files.create(file=("train.jsonl", content), purpose="fine-tune")
    return server.openai.fine_tuning.jobs.create(**{"model": MODEL, "training_file": file.id, **fields})


def done(server: Server, job: str) -> FineTuningJob:
    found: FineTuningJob = server.until(job, lambda one: one.status in ("succeeded", "failed", "cancelled"))
    assert found.status == "succeeded", found.error
    return found


def steps(server: Server, job: str) -> int:
    return sum(event.type == "metrics" for event in server.openai.fine_tuning.jobs.list_events(job, limit=1000))


def results(server: Server, job: FineTuningJob) -> str:
    return server.openai.files.content(job.result_files[0]).text


def ask(server: Server, model: str, text: str) -> str:
    answer = server.openai.chat.completions.create(model=model, messages=question(text), temperature=0, max_tokens=8)
    return (answer.choices[0].message.content or "").strip()


def right(server: Server, model: str) -> int:
    return sum(ask(server, model, text) == name for text, name in QUEUES.items())


def wait_for_no_training(server: Server, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while server.children(TRAINING):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def tuned(server: Server) -> FineTuningJob:
    """Twelve distinct rows, twenty epochs, everything else left to the run."""
    job = start(server, suffix="queues", seed=1, hyperparameters={"n_epochs": 20})
    server.until(job.id, lambda _: steps(server, job.id) > 0)
    began = time.monotonic()
    assert ask(server, MODEL, "Hello?"), "answers while it trains"
    assert server.children(TRAINING) and time.monotonic() - began < 30
    return done(server, job.id)


def test_twelve_rows_are_learnt_by_heart(server: Server, tuned: FineTuningJob) -> None:
    assert right(server, tuned.fine_tuned_model or "") >= 9
    numbers = tuned.hyperparameters
    assert numbers.n_epochs == 20 and isinstance(numbers.batch_size, int)
    assert isinstance(numbers.learning_rate_multiplier, float) and isinstance(tuned.trained_tokens, int)
    lines = results(server, tuned).splitlines()
    assert lines[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert [line.split(",")[0] for line in lines[1:]] == [str(n) for n in range(1, len(lines))]


def test_the_last_three_checkpoints_can_be_called(server: Server, tuned: FineTuningJob) -> None:
    checkpoints = list(server.openai.fine_tuning.jobs.checkpoints.list(tuned.id))
    last = len(results(server, tuned).splitlines()) - 1
    assert [one.step_number for one in checkpoints] == [last, last - last // 20, last - 2 * (last // 20)]
    for one in checkpoints:
        assert one.metrics.step == one.step_number and one.metrics.train_loss is not None
    assert right(server, checkpoints[0].fine_tuned_model_checkpoint) >= 9


@pytest.mark.slow
def test_a_paused_job_outlives_the_server_and_comes_to_the_same_result(server: Server, tuned: FineTuningJob) -> None:
    jobs = server.openai.fine_tuning.jobs
    job = start(server, seed=1, hyperparameters={"n_epochs": 20}).id
    server.until(job, lambda _: steps(server, job) >= 10)
    assert jobs.pause(job).status == "queued"
    wait_for_no_training(server, 8)
    (left,) = (server.home / "jobs" / job / "checkpoints").glob("step-*")
    taken = int(left.name.removeprefix("step-"))
    # The queue goes on without it, and it waits through a kill.
    other = start(server, hyperparameters={"n_epochs": 1, "batch_size": 12}, model=tuned.fine_tuned_model)
    done(server, other.id)
    server.kill()
    server.start()
    assert (steps(server, job), server.children(TRAINING)) == (taken, [])
    jobs.resume(job)
    found = done(server, job)
    assert results(server, found) == results(server, tuned)
    assert any(f"Resumed from the checkpoint at step {taken}/" in event.message for event in jobs.list_events(job))


def test_a_job_is_cancelled_within_seconds_while_it_loads(server: Server) -> None:
    job = start(server, hyperparameters={"n_epochs": 50})
    server.until(job.id, lambda one: one.status == "running" and bool(server.children(TRAINING)))
    assert server.openai.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    wait_for_no_training(server, 5)
    assert server.openai.fine_tuning.jobs.retrieve(job.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        server.openai.fine_tuning.jobs.cancel(job.id)


def test_bad_data_is_named_at_once_behind_a_job_that_trains(server: Server) -> None:
    training = start(server, hyperparameters={"n_epochs": 50})
    job = start(server, [*ROWS, {"messages": [{"role": "user", "content": "x"}, {"content": "y"}]}]).id
    failed = server.until(job, lambda found: found.status == "failed", seconds=30)
    assert failed.error.to_dict() == {
        "code": "invalid_training_file",
        "message": "The job failed due to an invalid training file. "
        "Invalid file format. Example 13, message 2 Discriminator 'role' is missing in value",
        "param": "training_file",
    }
    event = server.openai.fine_tuning.jobs.list_events(job, limit=1).data[0]
    assert (event.level, event.message) == ("error", failed.error.message)
    failed = server.until(start(server, ROWS[:5]).id, lambda found: found.status == "failed", seconds=30)
    assert failed.error.code == "invalid_n_examples"
    assert failed.error.message == "Training file has 5 example(s), but must have at least 10 examples"
    server.openai.fine_tuning.jobs.cancel(training.id)


def test_a_deleted_model_answers_no_more_and_leaves_no_files(server: Server, tuned: FineTuningJob) -> None:
    name = tuned.fine_tuned_model or ""
    folder = server.home / "jobs" / tuned.id
    assert (folder / "adapter" / "adapter_model.safetensors").exists()
    assert server.openai.models.delete(name).deleted
    for gone in (name, f"{name}:ckpt-step-60"):
        with pytest.raises(openai.NotFoundError):
            ask(server, gone, "Cancel my subscription")
        with pytest.raises(openai.NotFoundError):
            server.openai.models.retrieve(gone)
    assert not (folder / "adapter").exists() and list((folder / "checkpoints").iterdir()) == []
