"""`tuneloop evaluate` as a real process, against models of an upstream whose every call is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.server import Server
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Json

ROWS = 40
QUEUES = ("refund", "cards", "loans")


def number(asked: Json) -> int:
    return int(asked["messages"][-1]["content"].split()[-1])


def model(asked: Json) -> Answer:
    """`good` is always right, `poor` says one thing, `slow` never ends in time, `judge` talks."""
    match asked["model"]:
        case "good":
            return Answer(text=QUEUES[number(asked) % 3], pause=0.05)
        case "slow":
            return Answer(text="refund", delay=30)
        case "judge":
            return Answer(text="As a large model I like <b>both</b>.")
        case _:
            return Answer(text="refund", pause=0.05)


@pytest.fixture
def upstream() -> Iterator[UpstreamFake]:
    with UpstreamFake(model) as fake:
        yield fake


@pytest.fixture
def environ(tmp_path: Path, upstream: UpstreamFake) -> dict[str, str]:
    home = tmp_path / "home"
    home.mkdir()
    prices = "".join(f'"{name}" = {{ input = 1000, output = 1000 }}\n' for name in ("good", "poor", "slow", "judge"))
    (home / "settings.toml").write_text(
        f'[[upstreams]]\nname = "fake"\nbase_url = "{upstream.base_url}"\n'
        f'models = ["good", "poor", "slow", "judge"]\n[prices]\n{prices}'
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TUNELOOP_", "OPENAI_"))}
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Name the queue."},
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": QUEUES[n % 3]},
            ],
            "metadata": {"tier": "gold" if n % 4 == 0 else "basic"},
        }
        for n in range(ROWS)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = {**kept, "TUNELOOP_HOME": str(home)}
    tuneloop(made, "datasets", "import", "queues", str(tmp_path / "rows.jsonl"), "--into", "test")
    return made


def tuneloop(environ: dict[str, str], *arguments: str, fails: bool = False) -> str:
    command = [sys.executable, "-m", "tuneloop", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


EVALUATE = ("evaluate", "queues", "good", "--base", "poor", "--shots", "0", "--concurrency", "2")
AT_ONCE = (*EVALUATE[:-1], "16")


def asked(upstream: UpstreamFake) -> Counter[tuple[str, int]]:
    return Counter((request.json["model"], number(request.json)) for request in upstream.requests)


def test_a_killed_evaluation_goes_on_and_pays_for_no_answer_twice(
    environ: dict[str, str], upstream: UpstreamFake, tmp_path: Path
) -> None:
    child = subprocess.Popen([sys.executable, "-m", "tuneloop", *EVALUATE], env=environ, stdout=-3, stderr=-3)
    deadline = time.monotonic() + 60
    while len(upstream.requests) < ROWS + 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.wait()
    before = asked(upstream)
    assert ROWS + 10 <= before.total() < 2 * ROWS
    assert "running" in tuneloop(environ, "evaluations", "list")
    report = tmp_path / "report.json"
    said = tuneloop(environ, *EVALUATE, "--report", str(report))
    assert "good" in said
    # The calls under way when it was killed, two at most, have no answer that could be kept.
    assert len(asked(upstream)) == 2 * ROWS and asked(upstream).total() <= 2 * ROWS + 2
    arms = {arm["name"]: arm for arm in json.loads(report.read_text())["arms"]}
    assert arms["good"]["metrics"]["label_accuracy"] == 1.0 and arms["good"]["cost_per_1000"] > 0
    assert arms["good"]["first_token_ms"]["p50"] < arms["good"]["latency_ms"]["p50"]
    listed = tuneloop(environ, "evaluations", "list")
    assert "running" not in listed and "yes" in listed


def test_a_killed_server_goes_on_and_pays_for_no_answer_twice(
    environ: dict[str, str], upstream: UpstreamFake, tmp_path: Path
) -> None:
    with Server(Path(environ["TUNELOOP_HOME"]), tmp_path) as server:
        wanted = {"dataset": "queues", "models": ["good"], "base": "poor", "shots": 0, "concurrency": 2}
        made = server.client.call("POST", "/evaluations", wanted)
        deadline = time.monotonic() + 60
        while len(upstream.requests) < ROWS + 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.kill()
        assert ROWS + 10 <= asked(upstream).total() < 2 * ROWS
        server.start()
        while (found := server.client.call("GET", f"/evaluations/{made['id']}"))["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found["status"] == "completed", found
        assert len(asked(upstream)) == 2 * ROWS and asked(upstream).total() <= 2 * ROWS + 2
        assert found["report"]["verdict"]["answer"] == "yes"
        assert "100.0 %" in server.run("evaluations", "show", made["id"])


def test_what_goes_wrong_is_in_the_report(environ: dict[str, str], upstream: UpstreamFake, tmp_path: Path) -> None:
    judge = tmp_path / "judge.json"
    judge.write_text(
        json.dumps(
            {
                "type": "score_model",
                "name": "liked",
                "model": "judge",
                "input": [{"role": "user", "content": "How good is {{sample.output_text}}? 7"}],
            }
        )
    )
    reports = [tmp_path / name for name in ("report.json", "report.html", "report.md")]
    options = [option for path in reports for option in ("--report", str(path))]
    graders = ("--grader", "label_accuracy", "--grader", str(judge))
    tuneloop(
        environ, "evaluate", "queues", "good", "slow", "--base", "poor", "--shots", "0", *graders,
        "--timeout", "0.5", "--rows", "12", "--concurrency", "12", *options,
    )  # fmt: skip
    report: dict[str, Any] = json.loads(reports[0].read_text())
    arms = {arm["name"]: arm for arm in report["arms"]}
    assert (arms["slow"]["timeouts"], arms["slow"]["metrics"]["label_accuracy"]) == (12, 0.0)
    assert arms["good"]["grader_failures"] == 12 and arms["good"]["metrics"]["liked"] is None
    assert any(p["what"] == "grader" and "liked" in p["message"] for p in arms["good"]["problems"])
    for path in reports[1:]:
        text = path.read_text()
        assert "no whole answer within 0.5 s" in text and "liked" in text, path
        assert "<b>both</b>" not in text or path.suffix == ".md"


def test_a_limit_of_dollars(environ: dict[str, str], upstream: UpstreamFake) -> None:
    said = tuneloop(environ, *AT_ONCE, "--max-dollars", "0.2", fails=True)
    assert "--max-dollars" in said and len(upstream.requests) < ROWS
    tuneloop(environ, *AT_ONCE)
    assert asked(upstream).total() == 2 * ROWS


def test_the_gate_of_a_deployment(environ: dict[str, str], upstream: UpstreamFake) -> None:
    tuneloop(environ, *AT_ONCE)
    evaluation = tuneloop(environ, "evaluations", "list").splitlines()[1].split()[0]
    assert "not about 'poor'" in tuneloop(environ, "deploy", "desk", "poor", "--evaluation", evaluation, fails=True)
    assert "desk is now good" in tuneloop(environ, "deploy", "desk", "good", "--evaluation", evaluation)
    worse = ("evaluate", "queues", "poor", "--base", "good", "--shots", "0", "--concurrency", "16")
    said = tuneloop(environ, *worse)
    evaluation = tuneloop(environ, "evaluations", "list").splitlines()[1].split()[0]
    said = tuneloop(environ, "deploy", "desk", "poor", "--evaluation", evaluation, fails=True)
    assert "not deployed" in said


def test_bad_options_are_told_before_anything_is_asked(environ: dict[str, str], upstream: UpstreamFake) -> None:
    for options, what in (
        (("--report", "x.pdf"), ".html, .md, .json"),
        (("--report", "nowhere/x.html"), "no folder"),
        (("--grader", "nowhere.json"), "cannot read the grader"),
        (("--baseline", "nobody"), "baseline"),
        (("--margin", "2"), "margin"),
        (("--on", "train"), "no train rows"),
    ):
        assert what in tuneloop(environ, *AT_ONCE, *options, fails=True), options
    assert not upstream.requests
