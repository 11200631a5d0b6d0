"""Fine-tuning jobs around a scripted executor: validation, events once, restarts, cancelling."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuneloop import files, finetuning
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.finetuning import Runner
from tuneloop.store import Store, schema
from tuneloop.types import FineTuningJob

ROW = json.dumps({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}).encode()


class ScriptedExecutor:
    """Does what each script says in turn: writes lines of events and leaves with an exit code."""

    def __init__(self, *scripts: Callable[[Path], tuple[list[str], int]]) -> None:
        self.scripts = list(scripts)
        self.runs = 0

    def run(self, folder: Path, *, cancelled: Callable[[], bool], on_line: Callable[[int, str], None]) -> int:
        lines, code = self.scripts[min(self.runs, len(self.scripts) - 1)](folder)
        self.runs += 1
        for number, line in enumerate(lines, start=1):
            on_line(number, line)
        return code


def step(number: int) -> str:
    data = {"step": number, "train_loss": 1.0, "eta_s": 5.0}
    return json.dumps({"created_at": 100.0, "type": "metrics", "message": f"Step {number}", "data": data})


def succeed(folder: Path) -> tuple[list[str], int]:
    numbers = {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0}
    (folder / "result.json").write_text(json.dumps({"hyperparameters": numbers, "trained_tokens": 99}))
    (folder / "results.csv").write_text("step,train_loss\n1,1.0\n")
    return [step(1), step(2)], 0


def blame(folder: Path) -> tuple[list[str], int]:
    error = {"code": "invalid_training_file", "message": "Example 3: too long", "param": "training_file"}
    (folder / "result.json").write_text(json.dumps({"error": error}))
    return [], 2


def die(folder: Path) -> tuple[list[str], int]:
    (folder / "output.log").write_text("Killed: out of memory")
    return [step(1)], -9


def leave_whole_model(folder: Path) -> tuple[list[str], int]:
    (folder / "adapter").mkdir()
    (folder / "adapter" / "model.gguf").write_bytes(b"GGUF")
    return succeed(folder)


def spec_of(folder: Path, job: FineTuningJob) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((folder / "jobs" / job.id / "spec.json").read_text())
    return spec


def upload(store: Store, content: bytes = b"\n".join([ROW] * 10)) -> str:
    return files.create(store, "train.jsonl", "fine-tune", [content]).id


def create(store: Store, **fields: Any) -> FineTuningJob:
    request = {"model": "base", "training_file": fields.pop("training_file", None) or upload(store), **fields}
    return finetuning.create(store, request, tunable=lambda name: name == "base" or name.startswith("ft:"))


def run(
    store: Store, folder: Path, job: FineTuningJob, *scripts: Callable[[Path], tuple[list[str], int]]
) -> FineTuningJob:
    executor = ScriptedExecutor(*scripts)
    runner = Runner(
        store=store,
        folder=folder / "jobs",
        executor=executor,
        base_folder=lambda name: folder / name,
        organization="org",
    )
    runner.run(job.id)
    return store.jobs.get(job.id)


def messages(store: Store, job: FineTuningJob) -> list[str]:
    found, _ = store.events.page(schema.events.c.job_id == job.id, limit=100, ascending=True)
    return [event.message for event in found]


def test_a_job_runs_to_its_end(store: Store, tmp_path: Path) -> None:
    job = create(store, suffix="mine", seed=7, metadata={"k": "v"}, hyperparameters={"n_epochs": 3})
    assert (job.status, job.hyperparameters["n_epochs"], job.hyperparameters["batch_size"]) == (
        "validating_files",
        3,
        "auto",
    )
    done = run(store, tmp_path, job, succeed)
    name = f"ft:base:org:mine:{job.id[-8:]}"
    assert (done.status, done.fine_tuned_model, done.trained_tokens, done.error) == ("succeeded", name, 99, None)
    assert done.hyperparameters == {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 1.0}
    assert done.finished_at is not None and done.estimated_finish == 105.0
    spec = json.loads((tmp_path / "jobs" / job.id / "spec.json").read_text())
    assert (spec["model"], spec["seed"], spec["n_epochs"], spec["batch_size"]) == (str(tmp_path / "base"), 7, 3, "auto")
    assert messages(store, job) == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        "Step 1",
        "Step 2",
        f"New fine-tuned model created: {name}",
        "The job has successfully completed",
    ]
    (result,) = done.result_files
    assert b"".join(files.content(store, result)).startswith(b"step,train_loss")
    assert store.models.get(name).base == "base"


def test_running_a_finished_job_again_changes_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    done = run(sqlite_store, tmp_path, job, succeed)
    before = messages(sqlite_store, job)
    assert run(sqlite_store, tmp_path, job, die) == done
    assert messages(sqlite_store, job) == before


def test_a_tuned_model_is_tuned_on(sqlite_store: Store, tmp_path: Path) -> None:
    first = run(sqlite_store, tmp_path, create(sqlite_store), succeed)
    job = create(sqlite_store, model=first.fine_tuned_model)
    done = run(sqlite_store, tmp_path, job, succeed)
    spec = json.loads((tmp_path / "jobs" / job.id / "spec.json").read_text())
    assert (spec["model"], spec["adapter"]) == (str(tmp_path / "base"), str(tmp_path / "jobs" / first.id / "adapter"))
    assert sqlite_store.models.get(done.fine_tuned_model or "").base == "base"


def test_a_model_tuned_as_a_whole_is_what_the_next_run_starts_from(sqlite_store: Store, tmp_path: Path) -> None:
    whole_job = create(sqlite_store, suffix="whole", hyperparameters={"tuning": "full"})
    whole = run(sqlite_store, tmp_path, whole_job, leave_whole_model).fine_tuned_model or ""
    assert spec_of(tmp_path, whole_job)["tuning"] == "full"
    # An adapter on it, and one that goes on from that adapter: both stand on the whole model.
    names = [whole]
    for adapter in (None, "first"):
        job = create(sqlite_store, model=names[-1], suffix="more")
        name = run(sqlite_store, tmp_path, job, succeed).fine_tuned_model or ""
        spec = spec_of(tmp_path, job)
        assert spec["model"] == str(tmp_path / whole)
        assert spec["adapter"] == (adapter and sqlite_store.models.get(names[-1]).adapter)
        assert sqlite_store.models.get(name).base == whole
        assert name == f"ft:base:org:more:{job.id[-8:]}"
        names.append(name)
    # Tuned as a whole again, it stands on nothing.
    again = run(sqlite_store, tmp_path, create(sqlite_store, model=whole), leave_whole_model)
    assert sqlite_store.models.get(again.fine_tuned_model or "").base == "base"


PAIR: dict[str, Any] = {"input": {"messages": [{"role": "user", "content": "q"}]}}
PAIR |= {f"{kind}_output": [{"role": "assistant", "content": kind}] for kind in ("preferred", "non_preferred")}
PAIRS = b"\n".join([json.dumps(PAIR).encode()] * 10)
THUMBS = b"\n".join([json.dumps(json.loads(ROW) | {"label": i > 0}).encode() for i in range(10)])


def measure(folder: Path) -> tuple[list[str], int]:
    numbers = {"n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 0.5, "beta": 0.1, "lora_alpha": 32.0}
    (folder / "result.json").write_text(json.dumps({"hyperparameters": numbers, "trained_tokens": 9}))
    (folder / "results.csv").write_text("step,train_loss\n")
    return [], 0


@pytest.mark.parametrize(("method", "content"), [("dpo", PAIRS), ("kto", THUMBS)])
def test_a_job_that_learns_from_preferences(sqlite_store: Store, tmp_path: Path, method: str, content: bytes) -> None:
    file = upload(sqlite_store, content)
    asked = {"n_epochs": 2, "lora_targets": ["q_proj"], "patience": 1, "grader": "chrf"}
    job = create(
        sqlite_store,
        training_file=file,
        validation_file=file,
        method={"type": method, method: {"hyperparameters": asked}},
    )
    waiting = {"batch_size": "auto", "learning_rate_multiplier": "auto", "beta": "auto", **asked}
    assert job.hyperparameters == waiting
    assert job.method == {"type": method, method: {"hyperparameters": waiting}}
    done = run(sqlite_store, tmp_path, job, measure)
    assert done.status == "succeeded", done.error
    spec = spec_of(tmp_path, job)
    assert spec["method"] == method
    assert {name: spec[name] for name in waiting} == waiting
    assert (spec["tuning"], spec["lora_rank"], spec["schedule"]) == ("lora", "auto", "cosine")
    used = {**asked, "batch_size": 8, "learning_rate_multiplier": 0.5, "beta": 0.1}
    assert done.hyperparameters == used
    assert done.method == {"type": method, method: {"hyperparameters": used}}


@pytest.mark.parametrize(("method", "content"), [("supervised", PAIRS), ("dpo", THUMBS), ("kto", PAIRS)])
def test_a_file_for_another_method_fails_the_job_and_is_named(
    sqlite_store: Store, tmp_path: Path, method: str, content: bytes
) -> None:
    file = upload(sqlite_store, content)
    done = run(sqlite_store, tmp_path, create(sqlite_store, training_file=file, method={"type": method}), succeed)
    assert done.status == "failed" and done.error is not None
    assert (done.error["code"], done.error["param"]) == ("invalid_training_file", "training_file")
    assert done.error["message"].startswith(f"Input file {file} is in the fine-tune-")
    assert f"(provided method={method})" in done.error["message"]


def test_a_process_that_dies_is_begun_anew(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    done = run(sqlite_store, tmp_path, job, die, succeed)
    assert done.status == "succeeded"
    assert sum("going on from the last checkpoint" in message for message in messages(sqlite_store, job)) == 1
    assert messages(sqlite_store, job).count("Step 1") == 1


def test_a_process_that_dies_without_getting_further_fails_the_job(sqlite_store: Store, tmp_path: Path) -> None:
    done = run(sqlite_store, tmp_path, create(sqlite_store), die)
    assert done.status == "failed" and done.error is not None
    assert "exit status -9" in done.error["message"] and "out of memory" in done.error["message"]


def test_data_to_blame(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    done = run(sqlite_store, tmp_path, job, blame)
    error = {"code": "invalid_training_file", "message": "Example 3: too long", "param": "training_file"}
    assert (done.status, done.error) == ("failed", error)
    assert messages(sqlite_store, job)[-1] == "The job failed: Example 3: too long"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"\n".join([ROW] * 7), "invalid_n_examples", r"has 7 example\(s\), but must have at least 10"),
        (b"\n".join([ROW] * 9 + [b"{}"]), "invalid_training_file", "Example 10"),
        (b"", "invalid_n_examples", "0 example"),
    ],
)
def test_bad_files(sqlite_store: Store, tmp_path: Path, content: bytes, code: str, message: str) -> None:
    import re

    done = run(sqlite_store, tmp_path, create(sqlite_store, training_file=upload(sqlite_store, content)), succeed)
    assert done.status == "failed" and done.error is not None
    assert (done.error["code"], done.error["param"]) == (code, "training_file")
    assert re.search(message, done.error["message"])


def test_cancel(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)

    def cancelled_meanwhile(folder: Path) -> tuple[list[str], int]:
        finetuning.cancel(sqlite_store, job.id)
        return succeed(folder)

    done = run(sqlite_store, tmp_path, job, cancelled_meanwhile)
    assert (done.status, done.fine_tuned_model) == ("cancelled", None)
    assert sqlite_store.models.all() == []
    with pytest.raises(InvalidInput, match="already completed"):
        finetuning.cancel(sqlite_store, job.id)
    with pytest.raises(NotFound, match="Could not find fine tune"):
        finetuning.cancel(sqlite_store, "ftjob-x")


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": "gpt-9"}, ModelNotFound, "model"),
    ({"model": 3}, InvalidInput, "model"),
    ({"training_file": "file-x"}, InvalidInput, "training_file"),
    ({"validation_file": "file-x"}, InvalidInput, "validation_file"),
    ({"suffix": "x" * 65}, InvalidInput, "suffix"),
    ({"suffix": ""}, InvalidInput, "suffix"),
    ({"seed": "x"}, InvalidInput, "seed"),
    ({"metadata": {"k": 1}}, InvalidInput, "metadata"),
    ({"hyperparameters": {"n_epochs": 51}}, InvalidInput, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"n_epochs": 1.5}}, InvalidInput, "hyperparameters.n_epochs"),
    ({"hyperparameters": {"batch_size": 0}}, InvalidInput, "hyperparameters.batch_size"),
    ({"hyperparameters": {"learning_rate_multiplier": 0}}, InvalidInput, "hyperparameters.learning_rate_multiplier"),
    ({"hyperparameters": []}, InvalidInput, "hyperparameters"),
    ({"method": {"type": "x"}}, InvalidInput, "method.type"),
    ({"method": {"type": "reinforcement"}}, InvalidInput, "method.type"),
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
