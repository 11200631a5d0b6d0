"""The loop in numbers, and the next step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.page_user import user_of
from tuneloop import datasets, overview
from tuneloop.cli.commands import app
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store.ids import new_id
from tuneloop.types import Deployment, Evaluation, FineTuningJob, Model, Price

MODEL = "ft:smollm2-135m-instruct:local:desk:1"


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    prices = {"big": Price(input=1000.0, output=2000.0)}
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}", prices=prices))
    yield made
    made.store.close()


def log(loop: Loop, number: int, rating: str | None = None, **more: Any) -> None:
    row = {"id": f"call {number}", "messages": [{"role": "user", "content": f"q{number}"}], "completion": "a", **more}
    made = formats.to_log(row | ({"feedback": {"rating": rating}} if rating else {}), source="import", cost=free)
    loop.store.logs.add([made.log])
    loop.store.scores.add(made.scores)


def free(*_: Any) -> float | None:
    return 0.0


def job(loop: Loop, status: str, **more: Any) -> None:
    made = FineTuningJob(
        id=new_id("ftjob-"), created_at=time.time(), model="m", base="m", training_file="f", seed=0, **more
    )
    loop.store.jobs.add(made)
    loop.store.jobs.change(made.id, status=status)


def test_the_next_step_all_the_way_round(loop: Loop) -> None:
    def step() -> tuple[str, str | None]:
        found = overview.look(loop).next
        return found.name, found.command

    assert step() == ("log", None)
    log(loop, 0)
    assert step()[0] == "score" and "0 answers" in overview.look(loop).next.sentence
    for number in range(1, 13):
        log(loop, number, "good")
    assert step() == ("collect", f'tuneloop datasets create mine --where "{overview.GOOD}"')
    datasets.create(loop.store, "desk", where=overview.GOOD)
    assert step() == ("tune", "tuneloop tune desk")
    job(loop, "running")
    assert step()[0] == "watch"
    loop.store.jobs.change(loop.store.jobs.all()[0].id, status="failed")
    assert step()[0] == "mend"
    job(loop, "succeeded", fine_tuned_model=MODEL, metadata={"dataset": "desk"})
    loop.store.models.add(
        Model(id=MODEL, created_at=1.0, kind="tuned", base="smollm2-135m-instruct", owned_by="x", adapter="x")
    )
    assert step() == ("compare", f"tuneloop evaluate desk {MODEL}")
    evaluation = Evaluation(
        id=new_id("eval_"), created_at=1.0, dataset_id="d", report={"arms": [{"model": MODEL}], "verdict": {}}
    )
    loop.store.evaluations.add(evaluation)
    assert step() == ("read", f"tuneloop evaluations show {evaluation.id}")
    loop.store.evaluations.change(evaluation.id, report={**evaluation.report, "verdict": {"answer": "yes"}})
    assert step() == ("deploy", f"tuneloop deploy desk {MODEL}")
    loop.store.deployments.deploy(Deployment(id=new_id("dep_"), alias="desk", model=MODEL, created_at=1.0))
    assert step()[0] == "again"
    found = overview.look(loop)
    assert (found.calls, found.scored, found.datasets, found.jobs, found.unfinished, found.models) == (
        13,
        12,
        1,
        2,
        0,
        1,
    )
    assert found.live == {"desk": MODEL}


def test_what_is_saved_is_what_the_model_before_would_have_cost(loop: Loop) -> None:
    assert overview.look(loop).saved is None
    loop.store.models.add(Model(id=MODEL, created_at=1.0, kind="tuned", base="b", owned_by="x", adapter="x"))
    for model in ("big", MODEL):
        loop.store.deployments.deploy(Deployment(id=new_id("dep_"), alias="desk", model=model, created_at=1.0))
    usage = {"prompt_tokens": 1000, "completion_tokens": 500}
    answered: dict[str, Any] = {"model": "desk", "usage": usage}
    log(loop, 1, **answered)
    assert overview.look(loop).saved is None
    with loop.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE logs SET served_by = ?", (MODEL,))
    assert overview.look(loop).saved == pytest.approx(1000 * 1000 / 1e6 + 500 * 2000 / 1e6)


def test_the_command_line(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(loop.settings.home))
    log(loop, 1, "good")
    said = CliRunner().invoke(app, ["status"]).output
    assert "calls         1" in said and "not running: tuneloop serve" in said and "Rate some more" in said


async def test_home_of_an_empty_loop_says_how_to_begin(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/")
        await user.should_see("Point your application's OpenAI client here")
        user.find("Try it with sample data").click()
        await user.should_see("of all calls", retries=100)
        await user.should_not_see("Begin")


async def test_home_shows_the_numbers_and_the_next_step(loop: Loop) -> None:
    for number in range(12):
        log(loop, number, "good" if number else None)
    async with user_of(loop, "viewer") as user:
        await user.open("/")
        await user.should_see("92% of all calls")
        await user.should_see("make a data set of them")
        assert user.find("Choose them").elements.pop().props["href"].startswith("/logs?where=score.rating")
        await user.should_not_see("Begin")
        log(loop, 99)
        await user.should_see("13", retries=60)  # the page looks again by itself


async def test_what_is_not_there_is_said(loop: Loop) -> None:
    async with user_of(loop) as user:
        answer = await user.http_client.get("/nowhere")
        assert answer.status_code == 404 and "There is no page /nowhere" in answer.text
