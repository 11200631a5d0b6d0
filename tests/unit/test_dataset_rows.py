"""The rows of a data set over HTTP and on the command line, and data sets of uploaded files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit import api_server
from tests.unit.api_server import Running
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with api_server.running(tmp_path / "server") as running:
        yield running


def lines(first: int, last: int) -> bytes:
    rows = (
        {"messages": [{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": f"answer {n}"}]}
        for n in range(first, last + 1)
    )
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def upload(server: Running, data: bytes, purpose: str = "user_data") -> str:
    files = {"file": ("train.jsonl", data)}
    answer = server.client.post("/v1/files", files=files, data={"purpose": purpose})
    return str(answer.raise_for_status().json()["id"])


def test_over_http(server: Running) -> None:
    client = server.client
    asked = {"name": "desk", "file": upload(server, lines(1, 30)), "split": "50/25/25"}
    made = client.post("/v1/datasets", json=asked).raise_for_status().json()
    assert made["origin"] == "train.jsonl" and sum(made["counts"].values()) == 30
    more = client.post("/v1/datasets", json={"name": "desk", "file": upload(server, lines(11, 45))}).json()
    page = client.get("/v1/datasets/desk/rows", params={"limit": 10}).json()
    assert page["object"] == "list" and page["has_more"] and page["last_number"] == 10
    row = page["data"][0]
    assert row["object"] == "dataset.row" and row["number"] == 1 and row["messages"][-1]["content"] == "answer 11"
    last = client.get("/v1/datasets/desk/rows", params={"after": 30, "text": "ANSWER"}).json()
    assert [row["number"] for row in last["data"]] == [31, 32, 33, 34, 35] and not last["has_more"]
    gone = client.get(f"/v1/datasets/{made['id']}/rows", params={"without": more["id"]}).json()["data"]
    assert [row["messages"][0]["content"] for row in gone] == [f"question {n}" for n in range(1, 11)]
    nothing = client.get("/v1/datasets/desk/rows", params={"text": "nobody said this"}).json()
    assert nothing == {"object": "list", "data": [], "has_more": False, "last_number": None}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=0", 400),
        ("limit=1001", 400),
        ("after=-1", 400),
        ("after=x", 400),
        ("split=all", 400),
        ("without=x", 404),
    ],
)
def test_wrong_questions(server: Running, query: str, status: int) -> None:
    server.client.post("/v1/datasets", json={"name": "desk", "file": upload(server, lines(1, 12))})
    answer = server.client.get(f"/v1/datasets/desk/rows?{query}")
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_wrong_files(server: Running) -> None:
    def error(**asked: object) -> tuple[int, str, str]:
        answer = server.client.post("/v1/datasets", json={"name": "desk", **asked})
        return answer.status_code, answer.json()["error"]["param"], answer.json()["error"]["message"]

    assert error(file="file-none")[0] == 404
    assert error(file=7)[:2] == (400, "file")
    good = upload(server, lines(1, 12))
    assert error(file=good, where="score.rating = good")[:2] == (400, "file")
    assert error(file=good, split="1/2")[0] == 400
    bad = upload(server, lines(1, 12) + b"{\n")
    assert "Example 13" in error(file=bad)[2]
    assert "at least 10" in error(file=upload(server, lines(1, 3)))[2]


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    for name, first, last in (("old", 1, 20), ("new", 11, 30)):
        file = tmp_path / f"{name}.jsonl"
        file.write_bytes(lines(first, last))
        assert CliRunner().invoke(app, ["datasets", "import", name, str(file)]).exit_code == 0

    def shown(*arguments: str) -> str:
        return CliRunner().invoke(app, ["datasets", "rows", *arguments]).output

    assert "question 11" in shown("new") and "more:" not in shown("new")
    assert "more: --after 2" in shown("new", "--limit", "2") and "question 13" in shown("new", "--after", "2")
    assert "question 30" in shown("new", "--without", "old") and "question 11" not in shown("new", "--without", "old")
    assert "answer 21" in shown("new", "--text", "Answer 21") and "question 12" not in shown(
        "new", "--text", "Answer 21"
    )
    assert isinstance(CliRunner().invoke(app, ["datasets", "rows", "new", "--split", "all"]).exception, InvalidInput)
