"""The routes of fine-tuning jobs, checkpoints, permissions and models, through OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openai
import pytest
from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob
from starlette.testclient import TestClient
from typer.testing import CliRunner

from tests.unit.jobs import ROW, make_runner, succeed
from tuneloop.api.app import build
from tuneloop.cli.commands import app as commands
from tuneloop.loop import Loop
from tuneloop.settings import load
from tuneloop.store.log_writer import LogWriter

KEY = "tl-test"
BASE = "smollm2-135m-instruct"
STATUSES = {"validating_files", "queued", "running", "succeeded", "failed", "cancelled"}


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    monkeypatch.setenv("TUNELOOP_API_KEY", KEY)
    made = Loop(settings=load())
    yield made
    made.store.close()


@pytest.fixture
def http(loop: Loop) -> Iterator[TestClient]:
    writer = LogWriter(loop.store.database)
    yield TestClient(build(loop, writer), headers={"Authorization": f"Bearer {KEY}"})
    writer.close()


@pytest.fixture
def client(http: TestClient) -> OpenAI:
    return OpenAI(
        api_key=KEY,
        base_url="http://testserver/v1",
        http_client=http,
        max_retries=0,
        _strict_response_validation=True,
    )


@pytest.fixture
def create(client: OpenAI) -> Callable[..., FineTuningJob]:
    """Makes a job on ten rows."""
    file = client.files.create(file=("train.jsonl", b"\n".join([ROW] * 10)), purpose="fine-tune").id
    return lambda **fields: client.fine_tuning.jobs.create(**{"model": BASE, "training_file": file, **fields})


Create = Callable[..., FineTuningJob]


def test_a_job_has_all_fields(client: OpenAI, create: Create) -> None:
    wandb: Any = {"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}}
    job = create(
        method={"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 3}}},
        metadata={"k": "v"},
        integrations=[wandb],
        suffix="s",
        seed=3,
    )
    assert client.fine_tuning.jobs.retrieve(job.id) == job
    assert job.to_dict() == {
        "id": job.id,
        "object": "fine_tuning.job",
        "created_at": job.created_at,
        "finished_at": None,
        "estimated_finish": None,
        "model": BASE,
        "fine_tuned_model": None,
        "organization_id": "org-local",
        "status": "validating_files",
        "training_file": job.training_file,
        "validation_file": None,
        "result_files": [],
        "trained_tokens": None,
        "error": None,
        "seed": 3,
        "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto", "beta": 0.2},
        "method": {
            "type": "dpo",
            "dpo": {
                "hyperparameters": {
                    "n_epochs": 3,
                    "batch_size": "auto",
                    "learning_rate_multiplier": "auto",
                    "beta": 0.2,
                }
            },
        },
        "metadata": {"k": "v"},
        "integrations": [{"type": "wandb", "wandb": {"project": "p", "name": None, "entity": None, "tags": ["t"]}}],
        "suffix": "s",
        "paused_at": None,
    }


@pytest.mark.parametrize("hyperparameters", [{}, {"n_epochs": 2}])
@pytest.mark.parametrize(
    "method", [{}, {"method": {"type": "supervised"}}, {"method": {"type": "supervised", "supervised": {}}}]
)
def test_both_places_of_hyperparameters_are_read(
    create: Create, hyperparameters: dict[str, Any], method: dict[str, Any]
) -> None:
    job = create(hyperparameters=hyperparameters, **method)
    assert job.hyperparameters.n_epochs == hyperparameters.get("n_epochs", "auto")
    assert job.method and job.method.type == "supervised"
    assert job.method.supervised and job.method.supervised.hyperparameters
    assert job.method.supervised.hyperparameters.n_epochs == job.hyperparameters.n_epochs
    assert (job.metadata, job.integrations) == (None, [])


def test_the_list_is_paged_and_filtered(client: OpenAI, create: Create) -> None:
    metadata: list[Any] = [{"team": "a", "n": str(i)} if i % 2 else {"team": ""} if i == 2 else None for i in range(7)]
    made = [create(metadata=one).id for one in metadata][::-1]
    jobs = client.fine_tuning.jobs
    assert [job.id for job in jobs.list(limit=2)] == made
    assert [job.id for job in jobs.list(limit=1, metadata={"team": "a"})] == [made[1], made[3], made[5]]
    assert [job.id for job in jobs.list(metadata={"team": "a", "n": "3"})] == [made[3]]
    assert [job.id for job in jobs.list(metadata={"team": ""})] == [made[4]]
    assert [job.id for job in jobs.list(limit=1, extra_query={"metadata": "null"})] == [made[0], made[2], made[6]]
    with pytest.raises(openai.NotFoundError) as unknown:
        jobs.list(after="ftjob-nope")
    assert unknown.value.param == "after"


def test_pause_resume_and_cancel(client: OpenAI, create: Create) -> None:
    jobs, job = client.fine_tuning.jobs, create()
    assert jobs.pause(job.id).status in STATUSES
    with pytest.raises(openai.BadRequestError, match="is paused"):
        jobs.pause(job.id)
    assert jobs.resume(job.id).status in STATUSES
    assert jobs.cancel(job.id).status == "cancelled"
    for turn in (jobs.pause, jobs.resume, jobs.cancel):
        with pytest.raises(openai.BadRequestError, match="is cancelled"):
            turn(job.id)
    events = [event.message for event in jobs.list_events(job.id)]
    assert events[:3] == ["Fine-tuning job cancelled", "Fine-tuning job resumed", "Fine-tuning job paused"]
    asked: Any = (jobs.pause, jobs.resume, jobs.cancel, jobs.retrieve, jobs.list_events, jobs.checkpoints.list)
    for ask in asked:
        with pytest.raises(openai.NotFoundError) as unknown:
            ask("ftjob-nope")
        assert unknown.value.param == "fine_tuning_job_id"


@pytest.fixture(params=["plain", "with/slash", "with space & more?", "ü"])
def tuned(request: pytest.FixtureRequest, loop: Loop, create: Create, tmp_path: Path) -> FineTuningJob:
    """A job that has succeeded, whose model's name has all kinds of characters."""
    job = create(suffix=request.param)
    make_runner(loop.store, tmp_path, succeed).run(job.id)
    return job


def test_a_tuned_model_and_its_checkpoints(client: OpenAI, http: TestClient, tuned: FineTuningJob) -> None:
    done = client.fine_tuning.jobs.retrieve(tuned.id)
    name = done.fine_tuned_model or ""
    assert done.status == "succeeded" and name == f"ft:{BASE}:org:{tuned.to_dict()['suffix']}:{tuned.id[-8:]}"
    assert isinstance(done.finished_at, int) and done.estimated_finish is None
    newest, older = client.fine_tuning.jobs.checkpoints.list(tuned.id, limit=1)
    assert (newest.step_number, older.step_number) == (2, 1)
    assert newest.fine_tuned_model_checkpoint == (checkpoint := f"{name}:ckpt-step-2")
    assert (newest.metrics.step, newest.metrics.train_loss, newest.fine_tuning_job_id) == (2, 1.0, tuned.id)
    assert {BASE, name, checkpoint, f"{name}:ckpt-step-1"} <= {model.id for model in client.models.list()}
    for path in (quote(checkpoint, safe=":/"), quote(checkpoint, safe="")):
        assert http.get(f"/v1/models/{path}").json()["id"] == checkpoint
    assert client.models.retrieve(name).to_dict()["shutdown_date"] is None


def test_permissions_of_a_checkpoint(client: OpenAI, tuned: FineTuningJob) -> None:
    (checkpoint, *_) = client.fine_tuning.jobs.checkpoints.list(tuned.id)
    name, permissions = checkpoint.fine_tuned_model_checkpoint, client.fine_tuning.checkpoints.permissions
    made = list(permissions.create(name, project_ids=["p1", "p2", "p3"]))
    assert [one.project_id for one in made] == ["p1", "p2", "p3"] and made[0].object == "checkpoint.permission"
    assert [one.id for one in permissions.list(name, limit=2)] == [one.id for one in made[::-1]]
    assert [one.id for one in permissions.list(name, order="ascending", limit=1)] == [one.id for one in made]
    assert [one.id for one in permissions.list(name, project_id="p2")] == [made[1].id]
    gone = permissions.delete(made[0].id, fine_tuned_model_checkpoint=name)
    assert (gone.id, gone.deleted, gone.object) == (made[0].id, True, "checkpoint.permission")
    with pytest.raises(openai.NotFoundError):
        permissions.delete(made[0].id, fine_tuned_model_checkpoint=name)
    with pytest.raises(openai.NotFoundError):
        permissions.list(f"{name}9")
    with pytest.raises(openai.BadRequestError) as wrong:
        permissions.list(name, extra_query={"order": "asc"})
    assert wrong.value.param == "order"


def test_a_deleted_model_is_nowhere(client: OpenAI, create: Create, tuned: FineTuningJob) -> None:
    name = client.fine_tuning.jobs.retrieve(tuned.id).fine_tuned_model or ""
    deleted = client.models.delete(name)
    assert (deleted.id, deleted.deleted, deleted.object) == (name, True, "model")
    uses: Any = (
        client.models.retrieve,
        client.models.delete,
        lambda model: create(model=model),
        lambda model: client.chat.completions.create(model=model, messages=[{"role": "user", "content": "x"}]),
    )
    for one in (name, f"{name}:ckpt-step-2"):
        for use in uses:
            with pytest.raises(openai.NotFoundError) as unknown:
                use(one)
            assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    assert list(client.fine_tuning.jobs.checkpoints.list(tuned.id)) == []


def test_a_base_model_stays(client: OpenAI) -> None:
    assert client.models.retrieve(BASE).owned_by == "tuneloop"
    with pytest.raises(openai.BadRequestError) as kept:
        client.models.delete(BASE)
    assert (kept.value.param, kept.value.type) == ("model", "invalid_request_error")
    assert client.models.retrieve(BASE).id == BASE


def test_metrics_events_have_openais_data(client: OpenAI, loop: Loop, create: Create, tmp_path: Path) -> None:
    job = create()
    make_runner(loop.store, tmp_path, succeed).run(job.id)
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=3))
    assert len({event.id for event in events}) == len(events)
    assert "success" in events[0].message and {event.object for event in events} == {"fine_tuning.job.event"}
    metrics: list[Any] = [event.data for event in events if event.type == "metrics"]
    assert [data["step"] for data in metrics] == [2, 1] and "train_mean_token_accuracy" in metrics[0]


def test_hyperparameters_out_of_range_are_named(create: Create) -> None:
    for method, name, value in [
        ("supervised", "n_epochs", 0),
        ("supervised", "batch_size", 257),
        ("dpo", "beta", 2.5),
        ("dpo", "learning_rate_multiplier", -1),
    ]:
        with pytest.raises(openai.BadRequestError) as wrong:
            create(method={"type": method, method: {"hyperparameters": {name: value}}})
        assert name in (wrong.value.param or "") and wrong.value.type == "invalid_request_error"


def test_any_body_is_answered_in_openais_form(http: TestClient) -> None:
    for body in (b"", b"{", b"[]", b"null", b'"x"', b"{}", b'{"model": {}}', json.dumps({"model": BASE}).encode()):
        answer = http.post("/v1/fine_tuning/jobs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_jobs_are_paused_on_the_command_line(create: Create) -> None:
    job = create().id

    def command(*arguments: str) -> str:
        done = CliRunner().invoke(commands, ["jobs", *arguments])
        return " ".join(done.output.split()) if done.exit_code == 0 else str(done.exception)

    assert command("pause", job) == f"{job} is paused"
    assert command("show", job) == f"{job} is paused; let it go on: tuneloop jobs resume {job}"
    assert "paused" in command("list")
    assert command("cancel", job) == f"{job} is cancelled"
    assert "cannot be paused" in command("pause", job)
