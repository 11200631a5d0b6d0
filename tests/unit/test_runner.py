"""Jobs around a scripted executor: to their end, events once, restarts, pauses, checkpoints, what is to blame."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs import ROW, checkpoint, create, make_runner, messages, run, step, succeed, upload
from tuneloop import finetuning
from tuneloop.store import Store, schema
from tuneloop.types import FineTuningJob


def blame(folder: Path) -> tuple[list[str], int]:
    error = {"code": "invalid_training_file", "message": "Example 3: too long", "param": "training_file"}
    (folder / "result.json").write_text(json.dumps({"error": error}))
    return [], 2


def die(folder: Path) -> tuple[list[str], int]:
    (folder / "output.log").write_text("Killed: out of memory")
    return [step(1)], -9


def leave_whole_model(folder: Path) -> tuple[list[str], int]:
    done = succeed(folder)
    (folder / "adapter" / "model.gguf").write_bytes(b"GGUF")
    return done


def spec_of(folder: Path, job: FineTuningJob) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((folder / "jobs" / job.id / "spec.json").read_text())
    return spec


def test_a_job_runs_to_its_end(store: Store, tmp_path: Path) -> None:
    job = create(store, suffix="mine", seed=7, metadata={"k": "v"}, hyperparameters={"n_epochs": 2})
    assert (job.status, job.hyperparameters["n_epochs"], job.hyperparameters["batch_size"]) == (
        "validating_files",
        2,
        "auto",
    )
    done = run(store, tmp_path, job, succeed)
    name = f"ft:base:org:mine:{job.id[-8:]}"
    assert (done.status, done.fine_tuned_model, done.trained_tokens, done.error) == ("succeeded", name, 99, None)
    assert done.hyperparameters == {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.0}
    assert done.finished_at is not None and done.estimated_finish == 105.0
    spec = spec_of(tmp_path, job)
    assert (spec["model"], spec["seed"], spec["n_epochs"], spec["batch_size"]) == (str(tmp_path / "base"), 7, 2, "auto")
    assert messages(store, job) == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        "Step 1",
        "Checkpoint created at step 1",
        "Step 2",
        "Checkpoint created at step 2",
        f"New fine-tuned model created: {name}",
        "The job has successfully completed",
    ]
    (result,) = done.result_files
    assert b"".join(store.blobs.read(store.files.get(result).sha256)).startswith(b"step,train_loss")
    assert store.models.get(name).base == "base"
    (announced,) = store.announcements.all()
    assert (announced.type, announced.subject) == ("fine_tuning.job.succeeded", job.id)


def test_running_a_finished_job_again_changes_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    done = run(sqlite_store, tmp_path, job, succeed)
    before = messages(sqlite_store, job)
    assert run(sqlite_store, tmp_path, job, die) == done
    assert messages(sqlite_store, job) == before


def test_checkpoints_are_models_and_the_last_three_are_kept(sqlite_store: Store, tmp_path: Path) -> None:
    losses = {"valid_loss": 0.5, "valid_mean_token_accuracy": 0.9, "full_valid_loss": 0.5, "eta_s": 1.0}

    def five_epochs(folder: Path) -> tuple[list[str], int]:
        succeed(folder)
        for epoch in (3, 4, 5):
            (folder / "checkpoints" / f"epoch-{epoch}").mkdir()
        return [checkpoint(10 * epoch, epoch, **losses) for epoch in range(1, 6)], 0

    job = create(sqlite_store)
    done = run(sqlite_store, tmp_path, job, five_epochs)
    kept = sqlite_store.checkpoints.all()
    assert [one.step for one in kept] == [50, 40, 30]
    assert [one.model for one in kept] == [f"{done.fine_tuned_model}:ckpt-step-{one.step}" for one in kept]
    losses.pop("eta_s")
    assert kept[0].metrics == {"step": 50, "train_loss": 1.0, **losses}
    model = sqlite_store.models.get(kept[0].model)
    folder = tmp_path / "jobs" / job.id / "checkpoints"
    assert (model.base, model.adapter) == ("base", str(folder / "epoch-5"))
    # What nobody can call is gone, and so are the copies of the files.
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-3", "epoch-4", "epoch-5"]
    assert not (folder.parent / "training_file.jsonl").exists()
    # One may be tuned on.
    job = create(sqlite_store, model=model.id)
    again = run(sqlite_store, tmp_path, job, succeed)
    assert spec_of(tmp_path, job)["adapter"] == model.adapter
    assert sqlite_store.models.get(again.fine_tuned_model or "").base == "base"


def test_a_tuned_model_is_tuned_on(sqlite_store: Store, tmp_path: Path) -> None:
    first = run(sqlite_store, tmp_path, create(sqlite_store), succeed)
    job = create(sqlite_store, model=first.fine_tuned_model)
    done = run(sqlite_store, tmp_path, job, succeed)
    spec = spec_of(tmp_path, job)
    assert (spec["model"], spec["adapter"]) == (str(tmp_path / "base"), str(tmp_path / "jobs" / first.id / "adapter"))
    assert sqlite_store.models.get(done.fine_tuned_model or "").base == "base"


def test_a_model_tuned_by_an_alias_has_it_in_its_name(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store, model="alias", suffix="s")
    name = run(sqlite_store, tmp_path, job, succeed).fine_tuned_model or ""
    assert name == f"ft:alias:org:s:{job.id[-8:]}" and sqlite_store.models.get(name).base == "base"
    assert spec_of(tmp_path, job)["model"] == str(tmp_path / "base")
    again = run(sqlite_store, tmp_path, create(sqlite_store, model=f"{name}:ckpt-step-1"), succeed)
    assert (again.fine_tuned_model or "").startswith("ft:alias:org::")


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
    assert done.error["message"].startswith(
        f"The job failed due to an invalid training file. Invalid file format. Input file {file} is in the fine-tune-"
    )
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
    message = "The job failed due to an invalid training file. Example 3: too long"
    error = {"code": "invalid_training_file", "message": message, "param": "training_file"}
    assert (done.status, done.error) == ("failed", error)
    newest, _ = sqlite_store.events.page(schema.events.c.job_id == job.id, limit=1)
    assert (newest[0].level, newest[0].message) == ("error", message)


def test_we_are_to_blame(sqlite_store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = create(sqlite_store)

    def nonsense(folder: Path) -> tuple[list[str], int]:
        (folder / "result.json").write_text("{")
        return [], 0

    done = run(sqlite_store, tmp_path, job, nonsense)
    assert done.error is not None and (done.status, done.error["code"]) == ("failed", "server_error")
    assert job.id in caplog.text


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (
            b"\n".join([ROW] * 7),
            "invalid_n_examples",
            r"^Training file has 7 example\(s\), but must have at least 10 ex",
        ),
        (b"\n".join([ROW] * 9 + [b"{}"]), "invalid_training_file", "^The job failed due to .* Example 10: Unexpected"),
        (b"\n", "invalid_n_examples", "0 example"),
    ],
)
def test_bad_files(sqlite_store: Store, tmp_path: Path, content: bytes, code: str, message: str) -> None:
    job = create(sqlite_store, training_file=upload(sqlite_store, content))
    make_runner(sqlite_store, tmp_path, succeed).validate(job.id)  # its turn need not come for that
    done = sqlite_store.jobs.get(job.id)
    assert done.status == "failed" and done.error is not None
    assert (done.error["code"], done.error["param"]) == (code, "training_file")
    assert re.search(message, done.error["message"])


def test_a_bad_validation_file(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store, validation_file=upload(sqlite_store, b"x"))
    done = run(sqlite_store, tmp_path, job, succeed)
    assert done.error is not None
    assert (done.error["code"], done.error["param"]) == ("invalid_validation_file", "validation_file")
    assert done.error["message"].startswith("The job failed due to an invalid validation file. Invalid file format.")


def test_a_file_that_is_deleted_meanwhile(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    sqlite_store.files.remove(job.training_file)
    done = run(sqlite_store, tmp_path, job, succeed)
    assert done.error is not None and "was deleted" in done.error["message"]


def test_files_are_validated_ahead_of_the_turn_and_once(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    runner = make_runner(sqlite_store, tmp_path, succeed)
    for _ in range(2):
        runner.validate(job.id)
    assert sqlite_store.jobs.get(job.id).status == "queued"
    runner.run(job.id)
    runner.validate(job.id)
    assert sqlite_store.jobs.get(job.id).status == "succeeded"
    assert messages(sqlite_store, job).count("Files validated, moving job to queued state") == 1


def test_a_job_that_is_cancelled_while_it_runs(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)

    def cancelled_meanwhile(folder: Path) -> tuple[list[str], int]:
        finetuning.cancel(sqlite_store, job.id)
        return succeed(folder)

    done = run(sqlite_store, tmp_path, job, cancelled_meanwhile)
    assert (done.status, done.fine_tuned_model) == ("cancelled", None)
    assert sqlite_store.models.all() == [] and sqlite_store.checkpoints.all() == []
    assert list((tmp_path / "jobs" / job.id / "checkpoints").iterdir()) == []


def test_a_job_that_is_paused_while_it_runs_gives_way_and_goes_on(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)

    def paused_meanwhile(folder: Path) -> tuple[list[str], int]:
        finetuning.pause(sqlite_store, job.id)
        return [step(1)], 75

    paused = run(sqlite_store, tmp_path, job, paused_meanwhile)
    assert (paused.status, paused.estimated_finish) == ("queued", None) and paused.paused_at is not None
    assert run(sqlite_store, tmp_path, job, die) == paused, "its turn has come, and it waits"
    assert finetuning.waiting(sqlite_store) == []
    resumed = finetuning.resume(sqlite_store, job.id)
    assert finetuning.waiting(sqlite_store) == [resumed]
    assert run(sqlite_store, tmp_path, job, succeed).status == "succeeded"
    said = messages(sqlite_store, job)
    assert said.count("Fine-tuning job started") == said.count("Step 1") == 1
    assert said.index("Fine-tuning job paused") < said.index("Fine-tuning job resumed") < said.index("Step 2")


def test_a_job_that_is_resumed_before_it_has_stopped_goes_on(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)

    def paused_and_resumed(folder: Path) -> tuple[list[str], int]:
        finetuning.pause(sqlite_store, job.id)
        finetuning.resume(sqlite_store, job.id)
        return [step(1)], 75

    assert run(sqlite_store, tmp_path, job, paused_and_resumed, succeed).status == "succeeded"


def test_a_job_that_is_cancelled_while_its_model_is_brought(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)

    def bring(name: str, watch: Callable[[str, int, int], None]) -> Path:
        finetuning.cancel(sqlite_store, job.id)
        watch("downloading", 1, 100)
        raise AssertionError("it goes on")

    replace(make_runner(sqlite_store, tmp_path), base_folder=bring).run(job.id)
    assert sqlite_store.jobs.get(job.id).status == "cancelled"
    assert not (tmp_path / "jobs" / job.id / "training_file.jsonl").exists()


def test_a_job_paused_before_its_turn_is_validated_and_waits(sqlite_store: Store, tmp_path: Path) -> None:
    job = create(sqlite_store)
    assert finetuning.pause(sqlite_store, job.id).status == "validating_files"
    make_runner(sqlite_store, tmp_path, succeed).validate(job.id)
    assert run(sqlite_store, tmp_path, job, succeed).status == "queued"
    finetuning.resume(sqlite_store, job.id)
    assert run(sqlite_store, tmp_path, job, succeed).status == "succeeded"


GRADER = {
    "type": "string_check",
    "name": "right",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
}
PROMPT = {"messages": [{"role": "user", "content": "q"}], "answer": "a"}


def reinforce(store: Store, *rows: Any, **more: Any) -> FineTuningJob:
    file = upload(store, b"\n".join(json.dumps(row).encode() for row in rows))
    method = {"type": "reinforcement", "reinforcement": {"grader": GRADER, **more}}
    return create(store, training_file=file, method=method)


def test_a_run_of_reinforcement_is_told_its_grader(sqlite_store: Store, tmp_path: Path) -> None:
    job = reinforce(sqlite_store, *[PROMPT] * 10, response_format={"type": "json_object"})
    done = run(sqlite_store, tmp_path, job, succeed)
    spec = spec_of(tmp_path, job)
    assert (spec["method"], spec["reward"], spec["grader"]) == ("reinforcement", GRADER, None)
    assert (spec["reasoning_effort"], spec["eval_interval"]) == ("default", "auto")
    shown = done.method["reinforcement"]
    assert (shown["grader"], shown["response_format"]) == (GRADER, {"type": "json_object"})
    assert shown["hyperparameters"]["n_epochs"] == 2 and shown["hyperparameters"]["eval_samples"] == "auto"
    assert any("not held to 'response_format'" in message for message in messages(sqlite_store, job))


def test_a_row_that_lacks_what_the_grader_reads_fails_the_job(sqlite_store: Store, tmp_path: Path) -> None:
    job = reinforce(sqlite_store, *[PROMPT] * 10, {"messages": PROMPT["messages"]})
    done = run(sqlite_store, tmp_path, job, succeed)
    assert done.status == "failed" and done.error is not None
    assert (done.error["code"], done.error["param"]) == ("invalid_training_file", "training_file")
    assert done.error["message"] == (
        "The job failed due to an invalid training file. Invalid file format. Example 11: the grader reads "
        "'item.answer', which this row does not have"
    )


def test_checkpoints_tell_their_rewards(sqlite_store: Store, tmp_path: Path) -> None:
    def reward(folder: Path) -> tuple[list[str], int]:
        succeed(folder)
        return [checkpoint(1, 1, train_mean_reward=0.25, full_valid_mean_reward=0.5, train_kl=3.0)], 0

    job = run(sqlite_store, tmp_path, reinforce(sqlite_store, *[PROMPT] * 10), reward)
    (kept,) = sqlite_store.checkpoints.all(schema.checkpoints.c.job_id == job.id)
    assert kept.metrics == {"step": 1, "train_loss": 1.0, "train_mean_reward": 0.25, "full_valid_mean_reward": 0.5}
