"""Evaluations that a server runs: what is asked over HTTP, how far it is, its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api_server import Running, running
from tuneloop import datasets
from tuneloop.store.ids import new_id
from tuneloop.testing import Answer
from tuneloop.types import Evaluation

BASE = "smollm2-135m-instruct"
LONG = "You name queues. There are refunds, and there are cards, and nothing else whatsoever."
QUEUES = ("refund", "cards")


def rows(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {
            "messages": [
                {"role": "system", "content": LONG},
                {"role": "user", "content": f"Question {n}"},
                {"role": "assistant", "content": QUEUES[n % 2]},
            ]
        }
        for n in range(start, start + count)
    ]


class Desk:
    """Knows every queue; waits while it is told to."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()

    def __call__(self, asked: dict[str, Any]) -> Answer:
        self.open.wait(20)
        return Answer(text=QUEUES[int(asked["messages"][-1]["content"].split()[-1]) % 2])


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def here(tmp_path: Path, desk: Desk) -> Iterator[Running]:
    with running(tmp_path) as made:
        made.upstream.default = desk
        datasets.import_rows(
            made.loop.store, "desk", rows(0, 40), origin="", shares=(1.0, 0.0, 0.0), held_out=rows(100, 12)
        )
        yield made
        desk.open.set()


def asked(**more: Any) -> dict[str, Any]:
    return {"dataset": "desk", "models": ["fake"], "base": "fake", "shots": 0, **more}


def create(here: Running, **more: Any) -> dict[str, Any]:
    answer = here.client.post("/v1/evaluations", json=asked(**more))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def get(here: Running, evaluation: str) -> dict[str, Any]:
    return dict(here.client.get(f"/v1/evaluations/{evaluation}").json())


@contextmanager
def under_way(here: Running, evaluation: str) -> Iterator[None]:
    """An evaluation that a thread runs, once its first arm is begun; it has ended after the block."""
    thread = threading.Thread(target=here.server.evaluate, args=[evaluation])
    thread.start()
    until(lambda: get(here, evaluation)["progress"].get("arms"))
    yield
    thread.join(20)
    assert not thread.is_alive()


def until(holds: Callable[[], object]) -> None:
    last = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < last, "it did not happen"
        time.sleep(0.05)


def test_models_are_compared(here: Running) -> None:
    made = create(here, margin=0.1, graders=["label_accuracy"], split="test")
    assert (made["object"], made["status"], made["report"]) == ("evaluation", "queued", {})
    assert [one.id for one in here.loop.store.evaluations.waiting()] == [made["id"]]
    assert here.client.get(f"/v1/evaluations/{made['id']}/report").json()["error"]["param"] == "evaluation_id"

    here.server.evaluate(made["id"])
    found = get(here, made["id"])
    assert (found["status"], found["error"], found["progress"]) == ("completed", None, {})
    assert [(arm["name"], arm["metrics"]["label_accuracy"]) for arm in found["report"]["arms"]] == [
        ("prompted", 1.0),
        ("fake", 1.0),
    ]
    assert found["report"]["rows"] == 12 and found["report"]["margin"] == 0.1
    assert "<html" in here.client.get(f"/v1/evaluations/{made['id']}/report").text
    assert not here.loop.store.evaluations.waiting()


def test_one_that_is_cancelled_ends_and_can_be_forgotten(here: Running, desk: Desk) -> None:
    made = create(here)
    desk.open.clear()
    with under_way(here, made["id"]):
        answer = here.client.post(f"/v1/evaluations/{made['id']}/cancel")
        assert answer.json()["status"] == "cancelled"
    desk.open.set()
    assert get(here, made["id"])["status"] == "cancelled" and get(here, made["id"])["report"] == {}
    again = here.client.post(f"/v1/evaluations/{made['id']}/cancel")
    assert again.status_code == 400 and "cancelled" in again.json()["error"]["message"]
    gone = here.client.delete(f"/v1/evaluations/{made['id']}")
    assert gone.json() == {"id": made["id"], "object": "evaluation.deleted", "deleted": True}
    assert here.client.get(f"/v1/evaluations/{made['id']}").status_code == 404


def test_one_that_is_deleted_under_way_ends(here: Running, desk: Desk) -> None:
    made = create(here)
    desk.open.clear()
    with under_way(here, made["id"]):
        here.client.delete(f"/v1/evaluations/{made['id']}")
    assert here.loop.store.evaluations.find(made["id"]) is None


def test_a_server_that_comes_back_asks_nothing_twice(here: Running) -> None:
    made = create(here)
    here.server.evaluate(made["id"])
    asked_before = len(here.upstream.requests)
    here.loop.store.evaluations.change(made["id"], status="running", report={})
    here.server.evaluate(made["id"])
    assert get(here, made["id"])["status"] == "completed"
    assert len(here.upstream.requests) == asked_before


def test_what_fails_says_why(here: Running) -> None:
    made = create(here)
    here.loop.store.evaluations.change(made["id"], asked={**asked(), **made["asked"], "dataset": "gone"})
    here.server.evaluate(made["id"])
    found = get(here, made["id"])
    assert found["status"] == "failed" and "no dataset 'gone'" in found["error"]["message"]


def test_a_whole_verdict_waits_for_its_jobs(here: Running) -> None:
    made = create(here, base=BASE, models=[], tune={"short": "Queue?", "curve": False, "regression": False})
    thread = threading.Thread(target=here.server.evaluate, args=[made["id"]])
    thread.start()
    jobs = here.loop.store.jobs
    until(jobs.all)
    until(lambda: get(here, made["id"])["progress"].get("doing") == "Tuning: tuned")
    jobs.change(jobs.all()[0].id, status="failed", error={"code": "x", "message": "the disk is full"})
    thread.join(20)
    assert get(here, made["id"])["status"] == "failed"
    assert "the disk is full" in get(here, made["id"])["error"]["message"]


def test_a_whole_verdict_that_is_cancelled_ends_its_job(here: Running) -> None:
    made = create(here, base=BASE, models=[], tune={"short": "", "curve": False, "regression": False})
    thread = threading.Thread(target=here.server.evaluate, args=[made["id"]])
    thread.start()
    until(here.loop.store.jobs.all)
    here.client.post(f"/v1/evaluations/{made['id']}/cancel")
    thread.join(20)
    assert [job.status for job in here.loop.store.jobs.all()] == ["cancelled"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"dataset": None}, "dataset"),
        ({"dataset": "none"}, "dataset"),
        ({"models": []}, "models"),
        ({"models": "fake"}, "models"),
        ({"models": [""]}, "models[0]"),
        ({"models": ["nobody"]}, "model"),
        ({"base": 3}, "base"),
        ({"shots": -1}, "shots"),
        ({"pick": "best"}, "pick"),
        ({"logged": "yes"}, "logged"),
        ({"split": "held_out"}, "split"),
        ({"rows": 0}, "rows"),
        ({"graders": ["nobody"]}, "graders[0]"),
        ({"graders": [{"type": "string_check", "name": "x"}]}, "graders[0].input"),
        ({"concurrency": 0}, "concurrency"),
        ({"margin": 2}, "margin"),
        ({"level": "high"}, "level"),
        ({"max_dollars": -1}, "max_dollars"),
        ({"timeout": 0}, "timeout"),
        ({"candidates": "fake"}, "candidates"),
        ({"tune": True}, "tune"),
        ({"tune": {"long": ""}}, "tune.long"),
        ({"tune": {}, "base": "fake"}, "base"),
        ({"tune": {"short": 1}, "base": BASE}, "tune.short"),
        ({"tune": {"curve": 1}, "base": BASE}, "tune.curve"),
        ({"tune": {"short": "prompt:nobody"}, "base": BASE}, "tune.short"),
    ],
)
def test_what_is_wrong_is_named(here: Running, fields: dict[str, Any], param: str) -> None:
    answer = here.client.post("/v1/evaluations", json=asked(**fields))
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["error"]["param"] == param, answer.text
    assert not here.loop.store.evaluations.all()


def test_a_commands_evaluation_is_left_to_the_command(here: Running) -> None:
    kept = Evaluation(id=new_id("eval_"), created_at=1.0, dataset_id="x", report={}, status="running")
    here.loop.store.evaluations.add(kept)
    assert not here.loop.store.evaluations.waiting()
    answer = here.client.post(f"/v1/evaluations/{kept.id}/cancel")
    assert answer.status_code == 400 and "a command's" in answer.json()["error"]["message"]
    here.server.evaluate(kept.id)
    assert get(here, kept.id)["status"] == "running"
