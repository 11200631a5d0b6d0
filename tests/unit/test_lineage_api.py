"""Over HTTP and in the terminal: where a log went, scores and answers that are taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.api_server import Running, running
from tuneloop.cli.commands import app


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as made:
        yield made


def ask(server: Running, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = server.client.request(method, f"/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def logs(server: Running, count: int) -> list[str]:
    rows = [{"messages": [{"role": "user", "content": f"q{n}"}], "completion": f"a{n}"} for n in range(count)]
    return [row["id"] for row in ask(server, "POST", "/logs", {"data": rows})["data"]]


def test_a_score_is_taken_back_by_its_id(server: Running) -> None:
    (log_id,) = logs(server, 1)
    made = ask(server, "POST", "/feedback", {"log_id": log_id, "value": "bad"})
    deleted = ask(server, "DELETE", f"/feedback/{made['id']}")
    assert deleted == {"id": made["id"], "object": "score.deleted", "deleted": True}
    assert ask(server, "GET", f"/logs/{log_id}")["scores"] == []
    assert ask(server, "DELETE", f"/feedback/{made['id']}", status=404)["error"]["param"] == "score_id"


def test_where_a_log_went(server: Running) -> None:
    ids = logs(server, 12)
    made = ask(server, "POST", "/datasets", {"name": "desk"})
    went = ask(server, "GET", f"/logs/{ids[0]}/lineage")
    (place,) = went["datasets"]
    assert (went["object"], went["log_id"], went["jobs"], went["models"]) == ("lineage", ids[0], [], [])
    assert (place["id"], place["name"]) == (made["id"], "desk") and place["split"] in ("train", "validation", "test")
    assert ask(server, "GET", "/logs/nothing/lineage", status=404)["error"]["param"] == "log_id"


def test_an_answer_to_a_grader_is_taken_back(server: Running) -> None:
    ask(server, "POST", "/graders", {"name": "tone", "definition": {"type": "human", "range": [1, 5]}})
    asked = {"grader": "tone", "model_sample": "hello", "item": {"input": "hi"}}
    ask(server, "POST", "/fine_tuning/alpha/graders/run", asked)
    (question,) = ask(server, "GET", "/graders/tone/queue")["data"]
    ask(server, "POST", "/graders/tone/queue", {"id": question["id"], "value": 4})
    assert ask(server, "GET", "/graders/tone/queue")["data"] == []
    assert ask(server, "DELETE", f"/graders/tone/queue/{question['id']}") == question
    assert ask(server, "GET", "/graders/tone/queue")["data"] == [question]
    assert ask(server, "DELETE", "/graders/tone/queue/nothing", status=404)["error"]["param"] == "id"


def test_a_score_is_taken_back_in_the_terminal(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(server.loop.settings.home))
    (log_id,) = logs(server, 1)
    made = ask(server, "POST", "/feedback", {"log_id": log_id, "value": "bad"})
    said = CliRunner().invoke(app, ["feedback", "--take-back", made["id"]])
    assert said.exit_code == 0 and f"rating of {log_id}" in said.output
    went = CliRunner().invoke(app, ["logs", "lineage", log_id])
    assert went.exit_code == 0 and '"datasets": []' in went.output
    again = CliRunner().invoke(app, ["feedback", "--take-back", made["id"]])
    assert again.exit_code != 0
