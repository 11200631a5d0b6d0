"""Fine-tuning jobs as requests make them and people turn them: created, refused, cancelled, paused, resumed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.jobs import create, messages
from tuneloop import files, finetuning
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.store import Store


def test_what_is_asked_for_is_shown(store: Store) -> None:
    integrations = [{"type": "wandb", "wandb": {"project": "p", "tags": ["a"], "unknown": 1}}]
    job = create(store, suffix="Mine v2", seed=-1, metadata={"k": ""}, integrations=integrations)
    assert store.jobs.get(job.id) == replace(job, result_files=[])
    assert (job.suffix, job.seed, job.metadata, job.model) == ("Mine v2", -1, {"k": ""}, "base")
    assert job.integrations == [
        {"type": "wandb", "wandb": {"project": "p", "name": None, "entity": None, "tags": ["a"]}}
    ]
    assert messages(store, job)[:2] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
    ]
    assert 0 <= create(store).seed < 2**31


def test_an_alias_is_tuned_as_what_answers_under_it(sqlite_store: Store) -> None:
    job = create(sqlite_store, model="alias")
    assert (job.model, job.base) == ("alias", "base")


def test_cancel(store: Store) -> None:
    job = create(store)
    assert finetuning.cancel(store, job.id).status == "cancelled"
    assert messages(store, job)[-1] == "Fine-tuning job cancelled"
    for turn in (finetuning.cancel, finetuning.pause, finetuning.resume):
        with pytest.raises(InvalidInput, match="is cancelled"):
            turn(store, job.id)
        with pytest.raises(NotFound, match="Could not find fine tune"):
            turn(store, "ftjob-\0")
    assert [one.type for one in store.announcements.all()] == ["fine_tuning.job.cancelled"]


def test_pause_and_resume(store: Store) -> None:
    job = create(store)
    with pytest.raises(InvalidInput, match="cannot be resumed: .* is validating_files"):
        finetuning.resume(store, job.id)
    for resumed in (1, 2):
        store.jobs.change(job.id, status="running", estimated_finish=1.0)
        paused = finetuning.pause(store, job.id)
        assert (paused.status, paused.estimated_finish) == ("queued", None) and paused.paused_at
        with pytest.raises(InvalidInput, match="cannot be paused: .* is paused"):
            finetuning.pause(store, job.id)
        job = finetuning.resume(store, job.id)
        assert (job.paused_at, job.resumed, finetuning.turn(job)) == (None, resumed, f"/{resumed}")
    finetuning.pause(store, job.id)
    cancelled = finetuning.cancel(store, job.id)
    assert (cancelled.status, cancelled.paused_at) == ("cancelled", None)


def test_who_waits_is_told_oldest_first(sqlite_store: Store) -> None:
    jobs = [create(sqlite_store) for _ in range(4)]
    finetuning.cancel(sqlite_store, jobs[0].id)
    finetuning.pause(sqlite_store, jobs[2].id)
    assert [job.id for job in finetuning.waiting(sqlite_store)] == [jobs[1].id, jobs[3].id]


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": "gpt-9"}, ModelNotFound, "model"),
    ({"model": 3}, InvalidInput, "model"),
    ({"training_file": "file-x"}, InvalidInput, "training_file"),
    ({"validation_file": "file-x"}, InvalidInput, "validation_file"),
    ({"suffix": "x" * 65}, InvalidInput, "suffix"),
    ({"suffix": ""}, InvalidInput, "suffix"),
    ({"suffix": "a\nb"}, InvalidInput, "suffix"),
    ({"suffix": "\ud800"}, InvalidInput, "suffix"),
    ({"training_file": None}, InvalidInput, "training_file"),
    ({"model": ""}, InvalidInput, "model"),
    ({"metadata": {f"k{i}": "" for i in range(17)}}, InvalidInput, "metadata"),
    ({"metadata": {"k" * 65: ""}}, InvalidInput, "metadata"),
    ({"metadata": {"k": "v" * 513}}, InvalidInput, "metadata"),
    ({"metadata": {"k": "\0"}}, InvalidInput, "metadata"),
    ({"metadata": []}, InvalidInput, "metadata"),
    ({"seed": 2**63}, InvalidInput, "seed"),
    ({"integrations": {}}, InvalidInput, "integrations"),
    ({"integrations": [{"type": "x"}]}, InvalidInput, "integrations[0].type"),
    ({"integrations": [{"type": "wandb"}]}, InvalidInput, "integrations[0].wandb"),
    ({"integrations": [{"type": "wandb", "wandb": {}}]}, InvalidInput, "integrations[0].wandb.project"),
    (
        {"integrations": [{"type": "wandb", "wandb": {"project": "p", "name": 3}}]},
        InvalidInput,
        "integrations[0].wandb.name",
    ),
    (
        {"integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": "t"}}]},
        InvalidInput,
        "integrations[0].wandb.tags",
    ),
    ({"seed": "x"}, InvalidInput, "seed"),
    ({"metadata": {"k": 1}}, InvalidInput, "metadata"),
    ({"hyperparameters": {"n_epochs": 51}}, InvalidInput, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"n_epochs": 1.5}}, InvalidInput, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"batch_size": 0}}, InvalidInput, "hyperparameters.batch_size"),
    ({"hyperparameters": {"learning_rate_multiplier": 0}}, InvalidInput, "hyperparameters.learning_rate_multiplier"),
    ({"hyperparameters": []}, InvalidInput, "hyperparameters"),
    ({"method": {"type": "x"}}, InvalidInput, "method.type"),
    ({"method": {"type": "reinforcement"}}, InvalidInput, "method.reinforcement.grader"),
    ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}}, InvalidInput, "hyperparameters.beta"),
    ({"hyperparameters": {"grader": "exact_match"}}, InvalidInput, "hyperparameters.grader"),
]


@pytest.mark.parametrize(("fields", "error", "param"), WRONG)
def test_wrong_requests_are_refused_at_once(
    sqlite_store: Store, fields: dict[str, Any], error: type[InvalidInput], param: str
) -> None:
    with pytest.raises(error) as caught:
        create(sqlite_store, **fields)
    assert caught.value.param == param
    assert sqlite_store.jobs.all() == []


def test_a_file_for_something_else_is_refused(sqlite_store: Store) -> None:
    other = files.create(sqlite_store, "x", "user_data", [b"x"])
    with pytest.raises(InvalidInput, match="must have 'fine-tune'"):
        create(sqlite_store, training_file=other.id)
