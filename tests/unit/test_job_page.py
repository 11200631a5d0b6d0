"""The page of a job: its state, its curves while it learns, what can be done, what comes after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from nicegui import ui
from nicegui.testing import User

from tests.unit.jobs import create
from tests.unit.page_user import user_of
from tests.unit.test_compare_page import href, press
from tuneloop import datasets, examples, files, finetuning, tuning
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store.ids import new_id
from tuneloop.tuning import Recipe
from tuneloop.types import Checkpoint, Event, FineTuningJob, Model
from tuneloop.ui import job_words


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield made
    made.store.close()


@pytest.fixture
def job(loop: Loop) -> FineTuningJob:
    rows = ({"prompt": f"q {i}", "completion": "yes"} for i in range(60))
    made = datasets.import_rows(loop.store, "desk", map(examples.modern, rows), origin="")
    return tuning.create(loop, made, Recipe(suffix="support", hyperparameters={"n_epochs": 2}))


def run(loop: Loop, job: FineTuningJob) -> None:
    loop.store.jobs.change(job.id, status="running", started_at=1.0, estimated_finish=4e9)


def tell(loop: Loop, job: FineTuningJob, message: str, kind: Any = "message", **data: Any) -> None:
    event = Event(id=new_id("ftevent-"), job_id=job.id, created_at=1.0, type=kind, message=message, data=data or None)
    loop.store.events.add(event)


def step(loop: Loop, job: FineTuningJob, number: int, **data: Any) -> None:
    told = {"step": number, "total_steps": 4, "epoch": 1 + number // 3, "train_loss": 1 / number, "tokens_per_s": 50.0}
    tell(loop, job, f"Step {number}", "metrics", **told, **data)


def checkpoint(loop: Loop, job: FineTuningJob, epoch: int, **data: Any) -> None:
    told = {"step": 2 * epoch, "epoch": epoch, "train_loss": 0.5, "checkpoint": f"c/{epoch}", "best_epoch": 1}
    tell(loop, job, f"Checkpoint created at step {2 * epoch}", **told, **data)


def succeed(loop: Loop, job: FineTuningJob) -> str:
    """A model that the job has made, with one checkpoint."""
    model = f"ft:m:local:support:{job.id[-8:]}"
    for name in (model, f"{model}:ckpt-step-4"):
        loop.store.models.add(Model(id=name, created_at=1.0, kind="tuned", base="m", owned_by="x", job_id=job.id))
    kept = Checkpoint(id="c1", created_at=1.0, job_id=job.id, model=f"{model}:ckpt-step-4", step=4, metrics={})
    loop.store.checkpoints.add(kept)
    csv = files.create(loop.store, "step_metrics.csv", "user_data", [b"step,train_loss\n"])
    ended = {"fine_tuned_model": model, "trained_tokens": 1234, "result_files": [csv.id]}
    finetuning.end(loop.store, job.id, "succeeded", "The job has successfully completed", **ended)
    return model


def paths(user: User) -> list[str]:
    return [str(one.props["href"]) for one in user.find(kind=ui.link).elements]


def html(user: User) -> str:
    return " ".join(str(one.props["innerHTML"]) for one in user.find(kind=ui.html).elements)


def series(user: User) -> dict[str, list[Any]]:
    chart = min(user.find(kind=ui.echart).elements, key=lambda one: one.id)
    return {line["name"]: line["data"] for line in chart.options["series"]}


async def until(true: Callable[[], bool]) -> None:
    for _ in range(60):
        if true():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not come true")


async def test_there_is_no_such_job(loop: Loop) -> None:
    async with user_of(loop) as user:
        answer = await user.http_client.get("/jobs/ftjob-0")
        assert answer.status_code == 404 and "Could not find fine tune" in answer.text


async def test_a_job_is_watched_from_its_files_to_its_model(loop: Loop, job: FineTuningJob) -> None:
    async with user_of(loop) as user:
        await user.open(f"/jobs/{job.id}")
        await user.should_see("Its files are being checked.")
        await user.should_see("The curves begin with the first step.")
        run(loop, job)
        await user.should_see("its first steps are timed", retries=60)
        tell(loop, job, "Before training: validation loss=3.0", step=0, valid_loss=3.0)
        tell(loop, job, "Training on 48 examples", estimated_seconds=120.0, total_steps=4, n_epochs=2)
        await user.should_see("about 2 min", retries=60)
        step(loop, job, 1)
        step(loop, job, 2, valid_loss=2.0)
        checkpoint(loop, job, 1, valid_loss=2.0)
        await user.should_see("Step 2 of 4, epoch 1.", retries=60)
        assert series(user) == {"training": [[1, 1.0], [2, 0.5]], "validation": [[0, 3.0], [2, 2.0]]}
        await user.should_see("50")
        assert "Checkpoint created at step 2" in html(user) and "best" in html(user)
        press(user, "by epoch")
        await until(lambda: series(user)["training"] == [[1, 0.75]])
        model = succeed(loop, job)
        await user.should_see("It has learnt 1,234 tokens", retries=60)
        [compare] = [path for path in paths(user) if path.startswith("/compare?")]
        assert dict(parse_qsl(compare.partition("?")[2])) == {"dataset": "desk", "model": model}
        assert href(user, "Deploy") == f"/models?deploy={model.replace(':', '%3A')}"
        assert href(user, "Try it") == f"/models/{model}"
        await user.should_not_see("Cancel")
        press(user, "Numbers as CSV")
        found = await user.download.next()
        assert found.content == b"step,train_loss\n"


async def test_reloaded_it_shows_the_same(loop: Loop, job: FineTuningJob) -> None:
    run(loop, job)
    for number in (1, 2, 3):
        step(loop, job, number, valid_score=0.5)
    checkpoint(loop, job, 1, valid_score=0.5)
    async with user_of(loop, "viewer") as user:
        for path in (f"/jobs/{job.id}", f"/jobs/{job.id}?by=epoch"):
            await user.open(path)
            await user.should_see("Step 3 of 4, epoch 2.")
            await user.should_see("Validation score")
        assert series(user)["training"] == [[1, 0.75], [2, 1 / 3]]
        await user.should_not_see("Pause")


async def test_pause_resume_cancel(loop: Loop, job: FineTuningJob) -> None:
    run(loop, job)
    async with user_of(loop) as user:
        await user.open(f"/jobs/{job.id}")
        press(user, "Pause")
        await user.should_see("It waits at a checkpoint until", retries=60)
        assert loop.store.jobs.get(job.id).paused_at
        press(user, "Resume")
        await user.should_see("It waits for its turn", retries=60)
        assert loop.store.jobs.get(job.id).paused_at is None
        press(user, "Cancel")
        await user.should_see("What it has learnt so far is lost.", retries=30)
        press(user, "Not now")
        await asyncio.sleep(0.2)
        assert loop.store.jobs.get(job.id).status == "queued"
        press(user, "Cancel")
        await user.should_see("Cancel the job", retries=30)
        press(user, "Cancel the job")
        await user.should_see("It was cancelled", retries=60)
        assert href(user, "Change something and tune again").startswith("/tune?dataset=ds_")


async def test_two_windows_show_the_same(loop: Loop, job: FineTuningJob) -> None:
    run(loop, job)
    async with user_of(loop) as user:
        await user.open(f"/jobs/{job.id}")
        finetuning.pause(loop.store, job.id)  # in the other one
        await user.should_see("Resume", retries=60)


async def test_somebody_whose_role_was_taken_away_changes_nothing(loop: Loop, job: FineTuningJob) -> None:
    async with user_of(loop) as user:
        await user.open(f"/jobs/{job.id}")
        with loop.store.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM sessions")
        press(user, "Pause")
        await until(lambda: "takes the role owner" in str(user.notify.messages))
    assert loop.store.jobs.get(job.id).paused_at is None


async def test_a_failed_job_says_why_and_what_helps(loop: Loop, job: FineTuningJob) -> None:
    error = {"code": "invalid_training_file", "message": "Example 3 is too long", "param": "training_file"}
    finetuning.end(loop.store, job.id, "failed", "Example 3 is too long", error=error)
    async with user_of(loop) as user:
        await user.open(f"/jobs/{job.id}")
        await user.should_see("It has ended without a model.")
        await user.should_see("Example 3 is too long")
        await user.should_not_see("The curves begin")
        assert href(user, "Have the doctor mend the rows") == f"/datasets/{job.dataset_id}/doctor"


async def test_a_job_of_files_that_draws_answers(loop: Loop) -> None:
    made = create(loop.store)
    run(loop, made)
    step(loop, made, 1, train_mean_reward=0.5, valid_mean_reward=0.25)
    async with user_of(loop) as user:
        await user.open(f"/jobs/{made.id}")
        await user.should_see("none: made of files")
        await user.should_see("Validation reward")
        await user.should_see("0.500")
        finetuning.end(
            loop.store, made.id, "failed", "no", error={"code": "server_error", "message": "x", "param": None}
        )
        await user.should_see("It has ended without a model.", retries=60)
        await user.should_not_see("tune again")


def test_ways_out_of_what_the_run_died_of(loop: Loop, job: FineTuningJob) -> None:
    def ways(**error: Any) -> list[str]:
        finetuning.end(loop.store, job.id, "failed", "x")
        loop.store.jobs.change(job.id, error={"code": "server_error", "param": None, "message": "", **error})
        return [f"{way.said} {way.to}" for way in job_words.ways_out(loop.store.jobs.get(job.id))]

    assert "learning_rate_multiplier=0.5" in ways(param="learning_rate_multiplier")[0]
    assert "batch_size=4" in ways(message="training ended 3 times with exit status -9")[0]
    assert len(ways()) == 1
