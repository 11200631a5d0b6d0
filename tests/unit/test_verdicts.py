"""From a data set to a verdict: the arms, the trainings, what is taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuneloop import comparing, datasets, forgetting, prompts, tuning, verdicts
from tuneloop.comparing import Sides
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.evaluations import Terms
from tuneloop.loop import Loop
from tuneloop.models import Catalog
from tuneloop.prompts import Prompt
from tuneloop.protocols import Endpoint, Route
from tuneloop.settings import Settings
from tuneloop.store import schema
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.tuning import Recipe
from tuneloop.types import Dataset, FineTuningJob, Json, Model

BASE = "smollm2-135m-instruct"
LONG = "You name queues. There are refunds, and there are cards, and nothing else whatsoever. Be brief, and be right."
QUEUES = ("refund", "cards")


class Everything:
    """A router to one server: base and tuned models, all of them there."""

    def __init__(self, loop: Loop, url: str) -> None:
        self._loop, self._url = loop, url

    def catalog(self) -> Catalog:
        base = Model(id=BASE, created_at=0.0, kind="base", base=BASE, owned_by="x")
        return Catalog(base={BASE: base}, tuned={m.id: m for m in self._loop.store.models.all()})

    def route(self, name: str, user: str | None = None) -> Route:
        found = self.catalog().find(name)
        if found is None:
            raise ModelNotFound(f"The model '{name}' does not exist", param="model")
        return Route(model=found, engine=self)

    async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
        return Endpoint(base_url=self._url, model=model.id)


def number(text: str) -> int:
    return int(text.split()[-1]) if text.split()[-1].isdigit() else 0


def answer(asked: Json) -> Answer:
    """Tuned models know the queues, the more of their rows they have seen the better; the base says one."""
    n, seen = number(asked["messages"][-1]["content"]), asked["model"]
    known = {"25": 3, "50": 2}.get(seen.rsplit(":")[-2].rsplit("-")[-1], 1) if seen.startswith("ft:") else 99
    return Answer(text=QUEUES[n % 2] if n % known == 0 else "refund")


@pytest.fixture
def upstream() -> Iterator[UpstreamFake]:
    with UpstreamFake(answer) as fake:
        yield fake


@pytest.fixture
def loop(tmp_path: Path, upstream: UpstreamFake) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    made.__dict__["routes"] = Everything(made, upstream.base_url)
    yield made
    made.store.close()


def rows(start: int, count: int, system: str = LONG) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": QUEUES[n % 2]},
            ]
        }
        for n in range(start, start + count)
    ]


@pytest.fixture
def dataset(loop: Loop) -> Dataset:
    return datasets.import_rows(
        loop.store, "desk", rows(0, 60), origin="", shares=(1.0, 0.0, 0.0), held_out=rows(100, 40)
    )


class Trainer:
    """Follows jobs by ending them at once, well."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.jobs = loop, list[FineTuningJob]()

    def __call__(self, job: FineTuningJob) -> FineTuningJob:
        self.jobs.append(job)
        name = f"ft:{BASE}:local:{job.suffix}:{len(self.jobs)}"
        model = Model(id=name, created_at=1.0, kind="tuned", base=BASE, owned_by="local", adapter="x", job_id=job.id)
        self.loop.store.models.add(model)
        times: dict[str, Any] = {"started_at": 0.0, "finished_at": 60.0}
        self.loop.store.jobs.change(job.id, status="succeeded", fine_tuned_model=name, **times)
        return self.loop.store.jobs.get(job.id)


def question(loop: Loop, dataset: Dataset, **more: Any) -> verdicts.Question:
    short = verdicts.save_short(loop, dataset, "Queue {{?}}")
    return verdicts.Question(dataset=dataset, base=BASE, short=short, shots=2, regression=False, **more)


def give(loop: Loop, asked: verdicts.Question, trainer: Trainer) -> dict[str, Any]:
    said: list[str] = []
    tuned = verdicts.tune(loop, asked, trainer, said.append)
    evaluation = asyncio.run(verdicts.give(loop, asked, tuned, lambda arm, done, total: None, said.append))
    assert loop.store.evaluations.get(evaluation.id) == evaluation
    return dict(evaluation.report)


def test_the_whole_verdict(loop: Loop, dataset: Dataset, upstream: UpstreamFake) -> None:
    trainer = Trainer(loop)
    report = give(loop, question(loop, dataset), trainer)
    assert [arm["name"] for arm in report["arms"]] == [
        "prompted", "2 examples", "2 similar examples", "tuned", "tuned, short prompt",
    ]  # fmt: skip
    assert (report["baseline"], report["candidate"]) == ("prompted", "tuned, short prompt")
    assert report["verdict"]["answer"] == "yes"
    assert [p["rows"] for p in report["learning_curve"]["points"]] == [15, 30, 60]
    assert report["dataset"] == {"id": dataset.id, "name": "desk", "train_rows": 60, "split": "test"}
    assert report["cost"]["training"]["minutes"] == 1.0
    systems = {(r.json["model"], r.json["messages"][0]["content"]) for r in upstream.requests}
    assert {text for model, text in systems if ":desk-short" in model} == {"Queue {{?}}"}
    assert {text for model, text in systems if ":desk-short" not in model} == {LONG}
    short = report["arms"][-1]
    assert short["prompt"] == {"name": "desk-short", "version": 1}


def test_what_was_forgotten_is_looked_at_before_anything_is_paid_for(
    loop: Loop, dataset: Dataset, upstream: UpstreamFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[tuple[str, str]] = []

    async def check(loop: Loop, before: str, after: str, **_: Any) -> dict[str, Any]:
        checked.append((before, after))
        assert not upstream.requests
        return {"sentence": "Nothing.", "forgotten": False}

    monkeypatch.setattr(forgetting, "check", check)
    asked = replace(question(loop, dataset, curve=False), regression=True)
    report = give(loop, asked, Trainer(loop))
    assert report["regression"] == {"sentence": "Nothing.", "forgotten": False}
    assert checked == [(BASE, report["arms"][-1]["model"])]
    upstream.requests.clear()
    terms = Terms(candidate="prompted", baseline="tuned")
    assert "regression" not in give(loop, replace(asked, terms=terms), Trainer(loop))  # nothing was tuned there


def test_what_was_trained_and_answered_is_taken_as_it_is(loop: Loop, dataset: Dataset, upstream: UpstreamFake) -> None:
    trainer, asked = Trainer(loop), question(loop, dataset)
    give(loop, asked, trainer)
    assert len(trainer.jobs) == 4
    give(loop, asked, trainer)
    assert len(trainer.jobs) == 4
    give(loop, replace(asked, hyperparameters={"n_epochs": 2}, curve=False), trainer)
    assert len(trainer.jobs) == 6
    loop.store.models.remove(loop.store.jobs.get(trainer.jobs[0].id).fine_tuned_model or "")
    give(loop, asked, trainer)
    assert len(trainer.jobs) == 7
    assert trainer.jobs[0].metadata["recipe"] == trainer.jobs[6].metadata["recipe"]


def test_the_rows_of_a_smaller_share_are_among_those_of_a_larger(loop: Loop, dataset: Dataset) -> None:
    def learnt(share: float, prompt: Prompt | None = None) -> list[bytes]:
        job = tuning.create(loop, dataset, Recipe(share=share, prompt=prompt))
        file = loop.store.files.get(job.training_file)
        return b"".join(loop.store.blobs.read(file.sha256)).splitlines()

    quarter, half, whole = (set(learnt(share)) for share in (0.25, 0.5, 1.0))
    assert (len(quarter), len(half), len(whole)) == (15, 30, 60)
    assert quarter < half < whole
    short = verdicts.save_short(loop, dataset, "Short.")
    assert all(b'"Short."' in line and b"whatsoever" not in line for line in learnt(1.0, short))


def test_a_tuned_model_is_asked_with_the_prompt_it_was_tuned_with(loop: Loop, dataset: Dataset) -> None:
    short = verdicts.save_short(loop, dataset, "Short.")
    job = Trainer(loop)(tuning.create(loop, dataset, Recipe(prompt=short)))
    tuned = job.fine_tuned_model or ""
    held = comparing.held_out(loop, dataset, "test", None)
    arm = comparing.arms(loop, dataset, Sides(models=[tuned], shots=0), held)[-1]
    assert (arm.name, arm.kind, arm.prompt) == ("tuned", "tuned", "desk-short@1")
    other = prompts.save(
        loop.store, prompts.Draft(name="other", messages=[{"role": "system", "content": "Oh."}])
    ).prompt
    arms = comparing.arms(loop, dataset, Sides(models=[f"{tuned}+other", f"{BASE}+other@1"], shots=0), held)
    assert [(a.name, a.prompt) for a in arms[1:]] == [("tuned", other.reference), (f"{BASE}+other@1", other.reference)]
    with pytest.raises(NotFound, match="no prompt 'nope'"):
        comparing.arms(loop, dataset, Sides(models=[f"{BASE}+nope"]), held)
    with pytest.raises(ModelNotFound):
        comparing.arms(loop, dataset, Sides(models=["nope"]), held)
    with pytest.raises(InvalidInput, match="not made of logs"):
        comparing.arms(loop, dataset, Sides(logged=True), held)


@pytest.mark.parametrize(
    ("systems", "short"),
    [
        ([LONG], "You name queues."),
        ([LONG, "Other instructions. They go on and on."], None),
        (["Short enough."], None),
        (["No sentence here, this goes on and on without an end"], None),
    ],
)
def test_the_short_prompt_by_default(loop: Loop, systems: list[str], short: str | None) -> None:
    every = [row for i, system in enumerate(systems) for row in rows(20 * i, 20, system)]
    made = datasets.import_rows(loop.store, "d", every, origin="", split="train")
    found = verdicts.default_short(loop, made)
    assert (found and prompts.render(found, {})[0]["content"]) == short


def test_rows_of_a_held_out_file_are_for_the_test_alone(loop: Loop, dataset: Dataset) -> None:
    assert dataset.counts == {"train": 60, "test": 40}
    leaking = datasets.import_rows(loop.store, "d", rows(0, 20), origin="", held_out=rows(10, 20))
    assert leaking.account["duplicate"] == 10 and leaking.counts["test"] >= 10


def test_no_held_out_rows_are_told_before_the_training(loop: Loop) -> None:
    made = datasets.import_rows(loop.store, "d", rows(0, 20), origin="", split="train")
    trainer = Trainer(loop)
    with pytest.raises(InvalidInput, match="no test rows"):
        verdicts.tune(loop, question(loop, made), trainer, print)
    assert not trainer.jobs


def test_what_was_forgotten(loop: Loop, upstream: UpstreamFake, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = Model(id="ft:x", created_at=1.0, kind="tuned", base=BASE, owned_by="local", adapter="x")
    loop.store.models.add(tuned)
    losses = {BASE: 2.0, "ft:x": 2.1}
    monkeypatch.setattr(tuning, "loss_of", lambda loop, model, lines: losses[model])

    def says(asked: Json) -> Answer:
        return Answer(text="Paris, Tokyo or Rome" if asked["model"] == BASE else "refund")

    upstream.default = says
    found = asyncio.run(forgetting.check(loop, BASE, "ft:x", concurrency=4, progress=lambda *_: None))
    assert found["questions"]["before"] == 3 / 50 and found["questions"]["after"] == 0.0
    assert not found["forgotten"] and "No general ability is seen to be lost" in found["sentence"]
    losses["ft:x"] = 2.5
    found = asyncio.run(forgetting.check(loop, BASE, "ft:x", concurrency=4, progress=lambda *_: None))
    assert found["forgotten"] and found["loss"] == {"texts": 18, "before": 2.0, "after": 2.5}


def test_an_evaluation_that_was_broken_off_is_gone_on_with(
    loop: Loop, dataset: Dataset, upstream: UpstreamFake
) -> None:
    held = comparing.held_out(loop, dataset, "test", None)
    arms = comparing.arms(loop, dataset, Sides(base=BASE, shots=0), held)
    asked = comparing.Comparison(dataset=dataset, arms=arms, rows=held, terms=Terms(concurrency=1))

    def stop(arm: str, done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(comparing.compare(loop, asked, stop))
    running = loop.store.evaluations.all(schema.evaluations.c.status == "running")
    assert len(running) == 1 and running[0].report == {}
    before = len(upstream.requests)
    done = asyncio.run(comparing.compare(loop, asked, lambda *_: None))
    assert done.id == running[0].id and done.status == "completed"
    assert len(upstream.requests) - before == 40 - 10 + 1  # and one to warm up
    again = asyncio.run(comparing.compare(loop, asked, lambda *_: None))
    assert again.id != done.id
