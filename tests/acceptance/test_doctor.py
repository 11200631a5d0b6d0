"""The doctor with the real model: tokens by its tokenizer, rows beyond its context, and what tuning would take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit import desk


@pytest.fixture
def home(tmp_path: Path, smollm2: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    (made / "models").symlink_to(smollm2.parent)
    return made


def check(home: Path, *arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tuneloop", "check", *arguments, "--json"]
    done = subprocess.run(command, env={**os.environ, "TUNELOOP_HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(question: str, answer: str) -> str:
    said = (("system", desk.SYSTEM), ("user", question), ("assistant", answer))
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in said]}) + "\n"


def test_tokens_context_and_time(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "desk.jsonl"
    rows = [row(question, label) for question, label in desk.tickets(60)]
    file.write_text("".join([*rows, row("tyre puncture " * 5000, "flat_tyre")]))
    *records, summary = check(home, str(file), "--estimate", "--into", "desk")
    beyond = [one for record in records for one in record["findings"] if one["code"] == "over_context"]
    assert [one["evidence"]["context"] for one in beyond] == [8192] and records[-1]["status"] == "fixed"
    assert summary["tokens"]["rows"] == 61 and 61 * 20 < summary["tokens"]["total"]
    assert 61 * 2 < summary["tokens"]["learnt"] < 61 * 12
    assert summary["training"]["seconds"] > 0 and summary["training"]["bytes"] > 2**28
    *again, _ = check(home, "desk")
    assert {record["status"] for record in again} == {"kept"}
