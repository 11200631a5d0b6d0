"""The loop as its users run it: a real server, the official client, the real model, processes that are killed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.server import Server

MODEL = "smollm2-135m-instruct"
CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima",
    "Kenya": "Nairobi", "Cuba": "Havana", "Norway": "Oslo", "Greece": "Athens", "Chile": "Santiago", "Iraq": "Baghdad",
}  # fmt: skip


def question(country: str) -> list[Any]:
    return [{"role": "system", "content": "Say the code."}, {"role": "user", "content": f"Code of {country}?"}]


def code(country: str) -> str:
    """Something no model knows, so that only training can teach it."""
    return f"{CAPITALS[country][:3].upper()}-{len(country) * 7}"


def rows() -> bytes:
    lines = [{"messages": [*question(name), {"role": "assistant", "content": code(name)}]} for name in CAPITALS]
    return "\n".join(json.dumps(line) for line in lines).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent) as running:
        yield running


def start_job(server: Server, content: bytes | None = None, **fields: Any) -> str:
    file = server.openai.files.create(file=("tränke.jsonl", content or rows()), purpose="fine-tune")
    job = server.openai.fine_tuning.jobs.create(model=MODEL, training_file=file.id, **fields)
    assert job.status in ("validating_files", "queued", "running")
    return job.id


def steps(server: Server, job: str) -> list[int]:
    events = [event for event in server.openai.fine_tuning.jobs.list_events(job, limit=100) if event.type == "metrics"]
    assert len({event.id for event in events}) == len(events)
    return [event.data["step"] for event in reversed(events)]  # type: ignore[index]


@pytest.fixture(scope="module")
def tuned(server: Server) -> str:
    """A model that learnt twelve codes by heart, through OpenAI's own client."""
    job = start_job(server, suffix="codes", seed=1, hyperparameters={"n_epochs": 20, "batch_size": 4})
    done = server.until(job, lambda found: found.status in ("succeeded", "failed", "cancelled"))
    assert done.status == "succeeded", done.error
    assert done.fine_tuned_model.startswith(f"ft:{MODEL}:local:codes:")
    assert steps(server, job) == list(range(1, 61))
    result = server.openai.files.content(done.result_files[0]).text.splitlines()
    assert result[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy" and len(result) == 61
    return str(done.fine_tuned_model)


def ask(server: Server, model: str, country: str, **fields: Any) -> str:
    answer = server.openai.chat.completions.create(
        model=model, messages=question(country), temperature=0, max_tokens=16, **fields
    )
    assert answer.model == model
    return (answer.choices[0].message.content or "").strip()


def test_the_tuned_model_answers_without_a_restart_and_has_learnt(server: Server, tuned: str) -> None:
    right = [country for country in CAPITALS if ask(server, tuned, country) == code(country)]
    assert len(right) >= 9, right
    assert [country for country in CAPITALS if ask(server, MODEL, country) == code(country)] == []
    assert tuned in [model.id for model in server.openai.models.list()]
    assert server.openai.models.retrieve(tuned).id == tuned


def test_the_answer_streamed_is_the_same(server: Server, tuned: str) -> None:
    stream = server.openai.chat.completions.create(
        model=tuned, messages=question("Peru"), temperature=0, max_tokens=16, stream=True
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream).strip() == ask(server, tuned, "Peru")


def test_calls_are_logged_scored_and_filtered(server: Server, tuned: str) -> None:
    ask(server, tuned, "Cuba", metadata={"id": "cuba-1"}, user="ann")
    server.client.feedback(metadata={"id": "cuba-1"}, value="bad", correction="HAV-1", user="ann")
    page = server.client.call("GET", "/logs?where=corrected%20and%20user%20%3D%20ann")
    (log,) = page["data"]
    assert log["request"]["messages"] == question("Cuba") and log["response"]["model"] == tuned
    assert log["scores"][0]["correction"] == {"role": "assistant", "content": "HAV-1"}
    assert log["prompt_tokens"] > 0 and log["latency_ms"] > 0 and log["served_by"] == tuned
    listed = server.run("logs", "list", "--where", "metadata.id = cuba-1")
    assert log["id"] in listed


def test_an_alias_is_deployed_and_rolled_back_at_once(server: Server, tuned: str) -> None:
    server.run("deploy", "codes", MODEL)
    base = ask(server, "codes", "Japan")
    server.run("deploy", "codes", tuned)
    assert ask(server, "codes", "Japan") == code("Japan") != base
    assert "codes" in [model.id for model in server.openai.models.list()]
    server.run("rollback", "codes")
    assert ask(server, "codes", "Japan") == base
    assert "nothing to go back to" in server.run("rollback", "codes", check=False)
    server.client.call("POST", "/deployments", {"alias": "codes", "model": tuned})
    assert ask(server, "codes", "Japan") == code("Japan")
    with pytest.raises(openai.BadRequestError, match="answers as codes"):
        server.openai.models.delete(tuned)


def test_from_logs_to_a_dataset_to_a_comparison(server: Server, tuned: str, tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [
        {"messages": question(name), "completion": code(name), "id": f"{name}-{i}", "scores": {"rating": "good"}}
        | {"metadata": {"batch": "codes"}, "user": f"u{i}"}
        for name in CAPITALS
        for i in range(2)
    ]
    for call in calls:
        call["messages"] = [*call["messages"][:-1], {"role": "user", "content": f"Code of {call['id'].split('-')[0]}?"}]
    assert server.client.log_many(calls)["added"] == 24
    made = server.run("datasets", "create", "codes", "--where", "metadata.batch = codes", "--split", "50/0/50")
    assert "12 duplicate" in made and "50 to 100 good ones" in made
    report = tmp_path / "report.json"
    said = server.run("evaluate", "codes", tuned, "--shots", "2", "--report", str(report))
    assert "held-out rows" in said and "tuned may take over from prompted" in said
    arms = {arm["name"]: arm for arm in json.loads(report.read_text())["arms"]}
    assert set(arms) == {"prompted", "2 examples", "tuned"}
    primary = json.loads(report.read_text())["primary"]
    assert arms["tuned"]["metrics"][primary] > arms["prompted"]["metrics"][primary]
    assert the_server_says(server, {"dataset": "codes", "models": [tuned], "shots": 0}) == {
        name: arms[name]["metrics"][primary] for name in ("prompted", "tuned")
    }
    exported = server.run("datasets", "export", "codes")
    again = tmp_path / "again.jsonl"
    again.write_text(exported)
    assert "12 matched: 12 kept" in server.run("datasets", "import", "copy", str(again))


def the_server_says(server: Server, wanted: dict[str, Any]) -> dict[str, float]:
    """What comes of an evaluation over HTTP: the quality of each arm."""
    made, deadline = server.client.call("POST", "/evaluations", wanted), time.monotonic() + 60
    while (found := server.client.call("GET", f"/evaluations/{made['id']}"))["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    report = found["report"]
    return {arm["name"]: arm["metrics"][report["primary"]] for arm in report["arms"]}


@pytest.mark.slow
def test_a_killed_training_process_goes_on(server: Server) -> None:
    job = start_job(server, seed=1, hyperparameters={"n_epochs": 6, "batch_size": 4})
    server.until(job, lambda _: len(steps(server, job)) >= 2)
    for child in server.children("tuneloop.training"):
        child.kill()
    done = server.until(job, lambda found: found.status in ("succeeded", "failed", "cancelled"))
    assert done.status == "succeeded", done.error
    assert steps(server, job) == list(range(1, 19))


def test_a_killed_server_goes_on(server: Server) -> None:
    job = start_job(server, seed=1, hyperparameters={"n_epochs": 6, "batch_size": 4})
    server.until(job, lambda _: len(steps(server, job)) >= 2)
    answered = ask(server, MODEL, "Kenya", metadata={"id": "before-the-kill"})
    server.kill()
    server.start()
    page = server.client.call("GET", "/logs?where=metadata.id%20%3D%20before-the-kill")
    assert page["data"][0]["output_text"].strip() == answered
    done = server.until(job, lambda found: found.status in ("succeeded", "failed", "cancelled"))
    assert done.status == "succeeded", done.error
    assert steps(server, job) == list(range(1, 19))


def test_a_killed_engine_is_started_again(server: Server) -> None:
    before = ask(server, MODEL, "Kenya")
    for child in server.children("tuneloop.engines.llama_cpp_server"):
        child.kill()
    assert ask(server, MODEL, "Kenya") == before


def test_errors_have_openais_form(server: Server) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(server, "nope", "Peru")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as missing:
        server.openai.fine_tuning.jobs.create(model=MODEL, training_file="file-nope")
    assert missing.value.param == "training_file"
    with pytest.raises(openai.AuthenticationError):
        server.openai.with_options(api_key="wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        server.openai.files.retrieve("file-nope")
    with pytest.raises(openai.BadRequestError) as wrong:
        server.openai.files.create(file=("x.jsonl", b"{}"), purpose="nonsense")  # type: ignore[arg-type]
    assert wrong.value.param == "purpose"


def test_files_page_and_come_back_byte_for_byte(server: Server) -> None:
    content = bytes(range(256)) * 10
    made = [server.openai.files.create(file=(f"{i}☃.bin", content), purpose="user_data").id for i in range(5)]
    listed = [file.id for file in server.openai.files.list(purpose="user_data", limit=2)]
    assert listed == made[::-1]
    assert server.openai.files.content(made[0]).read() == content
    assert server.openai.files.retrieve(made[0]).filename == "0☃.bin"
    assert server.openai.files.delete(made[0]).deleted
    assert len(list(server.openai.files.list(purpose="user_data"))) == 4
