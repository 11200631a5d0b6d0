"""Graders of a real model on logs and on new calls, behind a real server that is killed in between."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.server import Server

BASE = "smollm2-135m-instruct"
NICE: dict[str, Any] = {"type": "score_model", "model": BASE, "range": [1, 5]}
NICE |= {"input": [{"role": "user", "content": "How polite is this? {{sample.output_text}}"}]}
NICE |= {"sampling_params": {"temperature": 0, "seed": 1}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent) as started:
        yield started


def ask(server: Server, question: str) -> None:
    messages: Any = [{"role": "user", "content": question}]
    server.openai.chat.completions.create(model=BASE, messages=messages, max_completion_tokens=8)


def wait_for(server: Server, where: str, logs: int) -> list[Any]:
    deadline = time.monotonic() + 60
    while len(found := server.client.call("GET", f"/logs?where={where}")["data"]) < logs:
        assert time.monotonic() < deadline, server.run("graders", "list")
        time.sleep(0.2)
    return list(found)


def test_a_monitor_goes_on_after_a_kill(server: Server) -> None:
    server.client.call("POST", "/graders", {"name": "nice", "definition": NICE})
    server.client.call("POST", "/graders/nice/monitor", {})
    ask(server, "Say hello.")
    (log,) = wait_for(server, "score.nice", 1)
    (score,) = log["scores"]
    assert 1 <= score["value"] <= 5 and score["source"] == "model"
    ask(server, "Say goodbye.")
    server.kill()
    server.start()
    assert len(wait_for(server, "score.nice", 2)) == 2
    time.sleep(3)  # judges' own calls are logs too, which nobody grades
    assert len(wait_for(server, "score.nice", 2)) == 2
    server.client.call("DELETE", "/graders/nice/monitor")


def test_a_command_grades_logs_and_asks_nothing_twice(server: Server, tmp_path: Path) -> None:
    server.client.log(messages=[{"role": "user", "content": "hi"}], completion="Thank you!", model="elsewhere")
    file = tmp_path / "better.json"
    file.write_text(json.dumps(NICE))
    server.run("graders", "add", "better", str(file))
    said = server.run("graders", "run", "better", "--where", "model = elsewhere")
    assert "1 logs graded" in said
    file.write_text(json.dumps({**NICE, "pass_threshold": 3}))
    server.run("graders", "add", "best", str(file))
    assert "1 logs graded" in server.run("graders", "run", "best", "--where", "model = elsewhere")
    with sqlite3.connect(server.home / "tuneloop.db") as database:
        kept = database.execute("SELECT count(*) FROM grader_results WHERE result LIKE '%Thank you!%'").fetchone()
    assert kept == (1,)


def test_a_judge_compares_in_both_orders(server: Server) -> None:
    grader: Any = {"type": "pairwise", "name": "p", "model": BASE}
    body = {"grader": grader, "model_sample": "I am fine, thank you.", "item": {"input": "How are you?", "other": "no"}}
    ran = server.client.call("POST", "/fine_tuning/alpha/graders/run", body)
    assert ran["reward"] in (0, 0.5, 1) and len(ran["metadata"]["notes"]["orders"]) == 2
    assert ran["model_grader_token_usage_per_model"][BASE]["total_tokens"] > 0
