"""`tuneloop verdict` on a real model: from two files to a page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "use_cases" / "customer_service"


@pytest.mark.timeout(600)
def test_from_two_files_to_a_page(test_home: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(test_home / "models")
    for name, rows in (("train.jsonl", 40), ("held_out.jsonl", 10)):
        lines = (EXAMPLE / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / name).write_text("".join(lines[:rows]), encoding="utf-8")
    command = [sys.executable, "-m", "tuneloop", "verdict", "train.jsonl", "--held-out", "held_out.jsonl"]
    command += [
        "--name",
        "ferries",
        "--epochs",
        "1",
        "--shots",
        "1",
        "--concurrency",
        "2",
        "--dollars-per-hour",
        "0.1",
        "--no-curve",
        "--no-regression",
    ]
    command += ["--report", "report.json", "--report", "report.html", "--report", "report.md"]
    environ = {**os.environ, "TUNELOOP_HOME": str(home)}
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "short prompt: You sort messages to Skerry Line, ferries between the mainland and the islands." in done.stdout
    )
    report = json.loads((tmp_path / "report.json").read_text())
    arms = {arm["name"]: arm for arm in report["arms"]}
    assert list(arms) == ["prompted", "1 example", "1 similar example", "tuned", "tuned, short prompt"]
    assert report["rows"] == 10 and all(arm["errors"] == 0 for arm in arms.values())
    assert arms["tuned, short prompt"]["prompt_tokens"] < arms["tuned"]["prompt_tokens"] / 2
    for arm in arms.values():
        assert 0 < arm["first_token_ms"]["p50"] <= arm["latency_ms"]["p50"] and arm["cost_per_1000"] > 0
    assert report["verdict"]["answer"] in ("yes", "no", "needs_more") and report["suitability"]["kind"] == "suitable"
    assert report["cost"]["training"]["dollars"] > 0
    page, text = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    for name in arms:
        assert name in page and name in text
