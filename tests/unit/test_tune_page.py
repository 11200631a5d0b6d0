"""The page Tune: a form that comes filled in, what it would take, what is wrong; and the list of jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from nicegui import ui
from nicegui.testing import User

from tests.unit.page_user import user_of
from tests.unit.test_compare_page import button, press
from tuneloop import datasets, estimates, examples, finetuning, prompts, tuning
from tuneloop.grading import versions
from tuneloop.loop import Loop
from tuneloop.prompts import read as read_prompt
from tuneloop.settings import Settings
from tuneloop.store import schema
from tuneloop.store.ids import new_id
from tuneloop.tuning import Needs, Recipe
from tuneloop.types import Event, FineTuningJob
from tuneloop.ui import tune_fields, tune_wish

BASE = "smollm2-135m-instruct"


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setattr(tuning, "foresee", lambda *_, **__: Needs(seconds=600.0, bytes=2**31, steps=90, epochs=12))
    url = f"sqlite:///{tmp_path / 'tuneloop.db'}"
    made = Loop(settings=Settings(home=tmp_path, database_url=url, dollars_per_hour=0.6))
    folder = tmp_path / "models" / BASE
    folder.mkdir(parents=True)
    (folder / "tuneloop.json").write_text('{"source": "x", "licence": "x", "created_at": 1.0}')
    yield made
    made.store.close()


def dataset(loop: Loop, name: str = "desk", count: int = 60, shares: datasets.Shares = (0.8, 0.2, 0)) -> str:
    rows = ({"prompt": f"{name} {i}", "completion": "yes", "label": i % 2 == 0} for i in range(count))
    return datasets.import_rows(loop.store, name, map(examples.modern, rows), origin="", shares=shares).id


def select(user: User, label: str) -> ui.select:
    return next(one for one in user.find(kind=ui.select).elements if one.props.get("label") == label)


def field(user: User, label: str) -> Any:
    found = [*user.find(kind=ui.number).elements, *user.find(kind=ui.input).elements]
    return next(one for one in found if one.props.get("label") == label)


def is_disabled(user: User) -> bool:
    return bool(button(user, "Tune").props.get("disabled"))


async def test_nothing_to_tune_on_yet(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/tune")
        await user.should_see("No data set yet")
        await user.should_see("None yet. A job is one training")


async def test_a_viewer_sees_the_jobs_and_no_form(loop: Loop) -> None:
    dataset(loop)
    async with user_of(loop, "viewer") as user:
        await user.open("/tune")
        await user.should_see("Tuning takes the role owner")
        await user.should_not_see("What it takes")


async def test_two_clicks_from_a_data_set_to_a_job(loop: Loop) -> None:
    made = dataset(loop)
    async with user_of(loop) as user:
        await user.open("/tune?dataset=desk")
        await user.should_see("about 10 min", retries=60)
        await user.should_see("2.0 GiB")
        await user.should_see("$0.10")
        await user.should_see("No test rows")
        press(user, "Tune")
        await user.should_see("Made with", retries=60)
    (job,) = loop.store.jobs.all()
    assert (job.dataset_id, job.base, job.suffix, job.hyperparameters["n_epochs"]) == (made, BASE, "desk", "auto")


async def test_the_newest_data_set_is_meant_where_none_is_named(loop: Loop) -> None:
    dataset(loop, "first")
    dataset(loop, "second")
    async with user_of(loop) as user:
        await user.open("/tune")
        assert select(user, "Data set").value == "second"
        select(user, "Data set").set_value("first")
        await user.should_see("about 10 min", retries=60)
        assert field(user, "Name").value == "first"


async def test_how_thorough_sets_the_epochs(loop: Loop) -> None:
    dataset(loop)
    async with user_of(loop) as user:
        await user.open("/tune?dataset=desk&care=quick&name=mine")
        await user.should_see("about 3 min", retries=60)
        select(user, "How thorough").set_value("thorough")
        await user.should_see("about 20 min", retries=60)
        field(user, "Epochs").set_value(6)
        await user.should_see("about 5 min", retries=60)
        press(user, "Tune")
        await user.should_see("Made with", retries=60)
    (job,) = loop.store.jobs.all()
    assert (job.suffix, job.hyperparameters["n_epochs"]) == ("mine", 6)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("dataset=nowhere", "No dataset 'nowhere'"),
        ("dataset=desk&method=dpo", "dpo needs at least 10"),
        ("dataset=desk&method=ppo", "Unknown method 'ppo'"),
        ("dataset=desk&lora_rank=9999", "'lora_rank' must be"),
        ("dataset=desk&lora_rank=x", "Adapter's rank: 'x' is no number"),
        ("dataset=desk&tuning=full&lora_rank=8", "'lora_rank' is about adapters"),
        ("dataset=desk&model=gpt-9", "'gpt-9' cannot be fine-tuned"),
        ("dataset=desk&prompt=none", "prompt 'none'"),
        ("dataset=desk&seed=1.5", "Invalid type for 'seed'"),
        ("dataset=desk&method=reinforcement", "Reinforcement needs a grader"),
        ("dataset=desk&method=reinforcement&grader={", "Grader: "),
        ("dataset=bare&grader=chrf", "by validation rows"),
    ],
)
async def test_what_is_wrong_is_said_before_the_start(loop: Loop, query: str, words: str) -> None:
    dataset(loop)
    dataset(loop, "bare", shares=(1, 0, 0))
    async with user_of(loop) as user:
        await user.open(f"/tune?{query}")
        await user.should_see(words, retries=60)
        assert is_disabled(user)
        press(user, "Tune")
    assert loop.store.jobs.all() == []


async def test_another_method_has_other_fields(loop: Loop) -> None:
    dataset(loop)
    grader = {
        "type": "string_check",
        "name": "g",
        "operation": "eq",
        "input": "{{sample.output_text}}",
        "reference": "a",
    }
    versions.add(loop.store, "right", grader)
    async with user_of(loop) as user:
        await user.open("/tune?dataset=desk")
        await user.should_not_see("Temperature")
        select(user, "Learns from").set_value("reinforcement")
        await user.should_see("Temperature", retries=30)
        await user.should_see("learns from the grades")
        user.find(kind=ui.textarea).elements.pop().set_value("right")
        await user.should_see("measured when it begins", retries=60)
        press(user, "Tune")
        await user.should_see("Made with", retries=60)
    (job,) = loop.store.jobs.all()
    assert job.method["reinforcement"]["grader"]["operation"] == "eq"


def test_a_job_fills_the_form_in_again(loop: Loop) -> None:
    made = loop.store.datasets.get(dataset(loop))
    prompt = prompts.save(
        loop.store, read_prompt({"name": "short", "messages": [{"role": "system", "content": "S"}]})
    ).prompt
    given = {"n_epochs": 3, "lora_targets": ["q_proj", "v_proj"], "quantize": True, "grader": "chrf", "warmup": 0.2}
    recipe = Recipe(method="kto", suffix="mine", seed=7, prompt=prompt, hyperparameters=given)
    job = tuning.create(loop, made, recipe)
    url = tune_wish.again(job)
    assert url is not None
    query = dict(parse_qsl(url.partition("?")[2]))
    assert "seed" not in query and query["dataset"] == made.id
    again = tune_wish.wish(loop, query)
    assert again.dataset == made and again.recipe == Recipe(
        method="kto", model=BASE, suffix="mine", prompt=prompt, hyperparameters=given
    )
    assert tune_wish.again(FineTuningJob(id="f", created_at=1.0, model="m", base="m", training_file="f")) is None
    assert "older version" not in str(tune_wish.shelf(loop, query).datasets)
    reward = {"type": "string_check", "name": "g", "operation": "eq", "input": "a", "reference": "a"}
    assert tune_fields.hyperparameters("reinforcement", {"grader": tune_fields.as_json(reward)}) == {"grader": reward}


def test_cares_have_words() -> None:
    assert tuple(tune_fields.CARES) == estimates.CARES


async def test_the_list_of_jobs(loop: Loop) -> None:
    made = loop.store.datasets.get(dataset(loop))
    jobs = [tuning.create(loop, made, Recipe(suffix=f"job{number}")) for number in range(22)]
    running = schema.jobs.c.id == jobs[-1].id
    loop.store.jobs.change(jobs[-1].id, running, status="running", estimated_finish=4e9)
    data = {"step": 3, "total_steps": 4, "train_loss": 1.0}
    loop.store.events.add(
        Event(id=new_id("ftevent-"), job_id=jobs[-1].id, created_at=1.0, type="metrics", message="", data=data)
    )
    finetuning.end(loop.store, jobs[-2].id, "failed", "no", error={"code": "x", "message": "Too hot", "param": None})
    finetuning.pause(loop.store, jobs[-3].id)
    async with user_of(loop, "viewer") as user:
        await user.open("/tune")
        for words in ("job21", "75%", "Too hot", ">paused<", "job2<"):
            assert any(words in str(one.props["innerHTML"]) for one in user.find(kind=ui.html).elements), words
        link = next(one for one in user.find(kind=ui.link).elements if one.text == "Older")
        await user.open(link.props["href"])
        assert any("job1<" in str(one.props["innerHTML"]) for one in user.find(kind=ui.html).elements)
        await user.should_see("Newest")
        finetuning.cancel(loop.store, jobs[0].id)
        for _ in range(60):
            if any("cancelled" in str(one.props["innerHTML"]) for one in user.find(kind=ui.html).elements):
                break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError("the list does not change")
