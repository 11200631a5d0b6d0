"""Graders over HTTP and in the terminal: kept ones, what they ask of people, live ones; names wherever one is asked
for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from typer.testing import CliRunner

from tests.unit.api_server import KEY, Running, running
from tuneloop import files, finetuning, grading
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.executors import monitoring
from tuneloop.importers import formats
from tuneloop.store import Store
from tuneloop.testing import Answer
from tuneloop.types import Json

IS_JSON: dict[str, Json] = {"type": "json"}
ASKED: list[Json] = [{"role": "user", "content": "{{sample.output_text}}"}]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setattr(monitoring, "EVERY", 0.05)
    with running(tmp_path) as made:
        yield made


def post(server: Running, path: str, body: Json, status: int = 200) -> Any:
    answer = server.client.post(f"/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def get(server: Running, path: str, status: int = 200) -> Any:
    answer = server.client.get(f"/v1{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


def test_graders_are_kept_listed_and_run_by_name(server: Running) -> None:
    made = post(server, "/graders", {"name": "is_json", "definition": IS_JSON, "note": "n"})
    assert (made["object"], made["version"], made["note"]) == ("grader", 1, "n")
    assert post(server, "/graders", {"name": "is_json", "definition": {**IS_JSON, "mode": "exact"}})["version"] == 2
    post(server, "/graders", {"name": "other", "definition": "is_json@1"})
    page = get(server, "/graders?limit=1")
    assert ([one["name"] for one in page["data"]], page["has_more"]) == (["other"], True)
    assert [one["version"] for one in get(server, f"/graders?after={page['last_id']}")["data"]] == [2]
    found = get(server, "/graders/is_json@1")
    assert found["definition"] == {"type": "json", "name": "is_json"}
    assert (found["versions"], found["waiting"], found["monitor"]) == ([2, 1], 0, None)
    with OpenAI(base_url=f"{server.url}/v1", api_key=KEY) as client:
        grader: Any = "is_json@1"
        ran = client.fine_tuning.alpha.graders.run(grader=grader, model_sample="{}")
        assert ran.reward == 1 and ran.metadata.type == "json"
    valid = post(server, "/fine_tuning/alpha/graders/validate", {"grader": "is_json@1"})
    assert valid == {"grader": {**found["definition"], "version": 1}}
    gone = server.client.delete("/v1/graders/is_json").json()
    assert gone == {"id": "is_json", "object": "grader.deleted", "deleted": True}
    get(server, "/graders/is_json", 404)


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/graders", {}, 400, "definition"),
        ("/graders", {"definition": IS_JSON}, 400, "name"),
        ("/graders", {"name": "a b", "definition": IS_JSON}, 400, "name"),
        ("/graders", {"name": "a", "definition": {"type": "regex"}}, 400, "definition.pattern"),
        ("/graders", {"name": "a", "definition": "nothing"}, 404, "definition"),
        ("/graders", {"name": "a", "definition": IS_JSON, "note": 5}, 400, "note"),
        ("/graders/nothing/queue", {"id": "x", "value": 1}, 404, "name"),
        ("/graders/known/queue", {"id": "x", "value": 1}, 404, "id"),
        ("/graders/nothing/monitor", {}, 404, "name"),
        ("/graders/known/monitor", {"share": 0}, 400, "share"),
        ("/graders/known/monitor", {"share": "1"}, 400, "share"),
        ("/graders/known/monitor", {"where": "nothing ="}, 400, "where"),
        ("/graders/known/monitor", {"where": ["x"]}, 400, "where"),
        ("/fine_tuning/alpha/graders/run", {"grader": "nothing", "model_sample": ""}, 404, "grader"),
        ("/fine_tuning/alpha/graders/validate", {"grader": "known@9"}, 404, "grader"),
    ],
)
def test_what_is_wrong_is_named(server: Running, path: str, body: Json, status: int, param: str) -> None:
    post(server, "/graders", {"name": "known", "definition": IS_JSON})
    assert post(server, path, body, status)["error"]["param"] == param


def test_people_answer_over_http(server: Running) -> None:
    post(server, "/graders", {"name": "tone", "definition": {"type": "human", "range": [1, 5]}})
    for sample in ("hello", "go away"):
        body = {"grader": "tone", "model_sample": sample, "item": {"input": "hi"}}
        assert post(server, "/fine_tuning/alpha/graders/run", body)["metadata"]["errors"]["other_error"] is True
    assert get(server, "/graders/tone")["waiting"] == 2
    page = get(server, "/graders/tone/queue?limit=1")
    assert page["has_more"] and page["data"][0]["shown"] == ["hi", "hello"]
    assert get(server, f"/graders/tone/queue?after={page['last_id']}")["data"][0]["shown"] == ["hi", "go away"]
    answered = {"id": page["last_id"], "value": 4, "user": "anna"}
    assert post(server, "/graders/tone/queue", answered)["reward"] == 4
    assert post(server, "/graders/tone/queue", {**answered, "value": 6}, 400)["error"]["param"] == "value"
    body = {"grader": "tone", "model_sample": "hello", "item": {"input": "hi"}}
    assert post(server, "/fine_tuning/alpha/graders/run", body)["reward"] == 4


def test_new_calls_are_graded_while_the_server_runs(server: Running) -> None:
    judge = {"type": "score_model", "model": "fake", "input": ASKED}
    post(server, "/graders", {"name": "nice", "definition": judge})
    assert post(server, "/graders/nice/monitor", {"where": "model = fake"})["share"] == 1
    server.upstream.enqueue(Answer(text="Hi"), Answer(text='{"result": 0.25}'))
    post(server, "/chat/completions", {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]})
    deadline = time.monotonic() + 20
    while not (found := get(server, "/logs?where=score.nice")["data"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (score,) = found[0]["scores"]
    assert (score["value"], score["source"], found[0]["output_text"]) == (0.25, "model", "Hi")
    asked = server.upstream.requests[-1]
    assert asked.json["model"] == "fake" and "Hi" in asked.json["messages"][0]["content"]
    time.sleep(0.3)  # the judge's own call is a log that nobody grades
    assert len(server.upstream.requests) == 2 and get(server, "/graders/nice")["monitor"]["graded"] == 1
    assert server.client.delete("/v1/graders/nice/monitor").json()["deleted"] is True
    assert server.client.delete("/v1/graders/nice/monitor").status_code == 404


def test_a_name_will_do_in_an_eval(server: Running) -> None:
    post(server, "/graders", {"name": "is_json", "definition": IS_JSON})
    config = {"type": "custom", "item_schema": {"type": "object"}}
    made = post(server, "/evals", {"data_source_config": config, "testing_criteria": ["is_json"]}, 201)
    assert made["testing_criteria"] == [{"type": "json", "name": "is_json", "version": 1}]
    wrong = {"data_source_config": config, "testing_criteria": [IS_JSON, "nothing"]}
    assert post(server, "/evals", wrong, 404)["error"]["param"] == "testing_criteria[1]"


def create(store: Store, **more: Json) -> Any:
    row = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    prompt = {"messages": row["messages"][:1], "reference": "a"}
    line = json.dumps(prompt if more.get("method", {}).get("type") == "reinforcement" else row).encode()
    file = files.create(store, "f.jsonl", "fine-tune", [line]).id
    request = {"model": "m", "training_file": file, "validation_file": file, **more}
    return finetuning.create(store, request, tunable=lambda name: name)


def judged(grader: Json) -> dict[str, Json]:
    return {"method": {"type": "supervised", "supervised": {"hyperparameters": {"grader": grader}}}}


def test_a_name_will_do_where_a_model_is_trained(sqlite_store: Store) -> None:
    exact = {**IS_JSON, "mode": "exact"}
    grading.add(sqlite_store, "right", exact)
    kept = {**exact, "name": "right", "version": 1}
    for grader, found in (("right", kept), ("right@1", kept), ("exact_match", "exact_match"), (kept, kept)):
        job = create(sqlite_store, **judged(grader))
        assert job.hyperparameters["grader"] == found
        assert create(sqlite_store, hyperparameters={"grader": grader}).hyperparameters["grader"] == found
    rewarded = create(sqlite_store, method={"type": "reinforcement", "reinforcement": {"grader": "right"}})
    assert rewarded.method["reinforcement"]["grader"] == kept


@pytest.mark.parametrize(
    ("grader", "param"),
    [
        ("nothing", "hyperparameters.grader"),
        (5, "hyperparameters.grader"),
        ({"type": "json"}, "hyperparameters.grader.name"),
        ({"type": "score_model", "name": "j", "model": "m", "input": ASKED}, "hyperparameters.grader"),
        ({"type": "human", "name": "h"}, "hyperparameters.grader"),
        ({"type": "pairwise", "name": "h", "model": "m"}, "hyperparameters.grader"),
        ({"type": "regex", "name": "r", "pattern": "{{item.queue}}"}, "hyperparameters.grader"),
        ({"type": "sql", "name": "s"}, "hyperparameters.grader"),
    ],
)
def test_epochs_are_judged_by_what_asks_nobody(sqlite_store: Store, grader: Json, param: str) -> None:
    with pytest.raises((InvalidInput, NotFound)) as refused:
        create(sqlite_store, **judged(grader))
    assert refused.value.param == param


def test_a_reward_waits_for_nobody(sqlite_store: Store) -> None:
    with pytest.raises(InvalidInput, match="people") as refused:
        method = {"type": "reinforcement", "reinforcement": {"grader": {"type": "human", "name": "h"}}}
        create(sqlite_store, method=method)
    assert refused.value.param == "method.reinforcement.grader"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    return tmp_path


def command(*arguments: str, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, ["graders", *arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_the_command_line(home: Path, sqlite_store: Store) -> None:
    rows = [{"messages": [{"role": "user", "content": f"q{n}"}], "completion": "{}"[: n + 1]} for n in range(2)]
    made = [formats.to_log(row, source="import", cost=lambda *_: None).log for row in rows]
    sqlite_store.logs.add(made)
    (home / "json.json").write_text(json.dumps(IS_JSON))
    (home / "tone.json").write_text(json.dumps({"type": "human", "range": [1, 5]}))
    assert "is_json@1" in command("add", "is_json", str(home / "json.json"))
    assert "tone@1" in command("add", "tone", "-", typed=(home / "tone.json").read_text())
    assert "2 logs graded, mean 0.5" in command("run", "is_json")
    assert "2 had it already" in command("run", "is_json")
    assert "2 wait for people" in command("run", "tone")
    said = command("review", "tone", "--user", "anna", typed="great\n9\n4\nskip\n")
    assert "1 to 5" in said and "1 answered" in said
    assert "0 answered" in command("review", "tone", typed="q\n")
    assert json.loads(command("show", "is_json")) == {"type": "json", "name": "is_json"}
    assert "20% of status = 200" in command("monitor", "is_json", "--share", "0.2", "--where", "status = 200")
    listed = command("list")
    assert "is_json@1" in listed and "20% of status = 200" in listed
    assert "no longer" in command("monitor", "is_json", "--stop")
    command("add", "gone", str(home / "json.json"))
    assert "gone: 1 version deleted" in command("delete", "gone")
    assert "no log has both" in command("agree", "is_json")
    (score,) = [s for of in sqlite_store.scores.of([log.id for log in made]).values() for s in of if s.name == "tone"]
    assert (score.value, score.user) == (4, "anna")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nothing"], "no grader 'nothing'"),
        (["run", "nothing"], "no grader 'nothing'"),
        (["run", "judge"], "does not exist"),
        (["run", "judge", "--share", "0"], "--share"),
        (["run", "judge", "--where", "nothing ="], "no field"),
        (["monitor", "judge", "--share", "2"], "share"),
        (["monitor", "judge", "--stop"], "no monitor"),
        (["agree", "judge", "--calibrate"], "tuneloop graders run judge"),
        (["add", "judge", "nowhere.json"], "cannot read"),
        (["add", "judge", __file__], "not valid JSON"),
    ],
)
def test_wrong_commands_say_the_way_out(home: Path, sqlite_store: Store, arguments: list[str], words: str) -> None:
    grading.add(sqlite_store, "judge", {"type": "score_model", "model": "nobody", "input": ASKED})
    with pytest.raises(TuneloopError, match=words):
        command(*arguments)
