"""`tuneloop check` as people run it, on files that no tool reads: findings, never a traceback, in little memory."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.nasty_files import NASTY, TEXT, lines

#: megabytes of the largest files here
BIG = int(os.environ.get("TUNELOOP_TEST_BIG_FILE", "200"))
#: bytes of memory that a look at any file may take
MOST_MEMORY = 2 << 30


class Checked(NamedTuple):
    """What a run of the command said."""

    status: int
    text: str
    #: the records of the rows, and the summary behind them
    account: list[dict[str, Any]]
    memory: int

    @property
    def codes(self) -> set[str]:
        return {kind["code"] for kind in self.account[-1]["findings"]}


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checked]:
    """Runs the command in a process of its own."""
    report = tmp_path / "account.jsonl"
    environ = {**os.environ, "TUNELOOP_HOME": str(tmp_path / "home")}

    def run(subject: str | Path, *options: str) -> Checked:
        command = [sys.executable, "-m", "tuneloop", "check", str(subject), *options]
        with (tmp_path / "said").open("w+") as said:
            process = subprocess.Popen(command, env=environ, stdout=said, stderr=subprocess.STDOUT, cwd=tmp_path)
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
        written = text if "--json" in options else report.read_text() if report.exists() else ""
        account = [json.loads(line) for line in written.split("\n") if line] if process.returncode == 0 else []
        assert "Traceback" not in text
        return Checked(process.returncode, text, account, used.ru_maxrss * 1024)

    return lambda subject, *options: run(subject, *(options or ("--report", str(report))))


@pytest.mark.parametrize(
    "name", ["empty", "xlsx", "utf16_le", "windows", "mark", "long", "deep_5000", "twice_tool", "nan"]
)
def test_a_nasty_file_gives_a_clear_finding(tmp_path: Path, check: Callable[..., Checked], name: str) -> None:
    nasty, path = NASTY[name](), tmp_path / "my rows – née.jsonl"
    path.write_bytes(nasty.data)
    found = check(path)
    assert found.status == 0, found.text
    assert nasty.codes <= found.codes
    assert all(code in found.text for code in nasty.codes)
    assert len(found.account) == nasty.rows + 1


def test_json_is_the_account_alone(tmp_path: Path, check: Callable[..., Checked]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(TEXT + '{"messages": [{"role": "bot"}, {"content": "x"}]}\nNaN\n')
    found = check(path, "--json")
    *records, summary = found.account
    assert [record["status"] for record in records] == ["kept"] * 3 + ["dropped"] * 2
    (one,) = records[3]["findings"]
    assert "Example 4, message 1: unknown role 'bot'" in one["message"] and "; Example 4, message 2" in one["message"]
    assert records[4]["findings"][0]["code"] == "not_a_number"
    assert (summary["rows"], summary["dropped"]) == (5, 2)


def _rows_before_rubbish(path: Path) -> None:
    with path.open("w") as file:
        file.write(TEXT)
    with path.open("ab") as file:
        for _ in range(BIG):
            file.write(random.randbytes(1 << 20))


def _zeros(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(BIG << 20)


def _one_line(path: Path) -> None:
    with path.open("w") as file:
        file.write(TEXT + '{"messages": "')
        for _ in range(BIG):
            file.write("x" * (1 << 20))


def _blank(path: Path) -> None:
    with path.open("w") as file:
        for _ in range(BIG):
            file.write("\n" * (1 << 20))


def _objects(path: Path) -> None:
    with path.open("w") as file:
        for _ in range(BIG):
            file.write("{}\n" * (1 << 18))


@pytest.mark.parametrize(
    ("write", "code"),
    [
        (_rows_before_rubbish, "unreadable_file"),
        (_zeros, "unreadable_file"),
        (_one_line, "unreadable"),
        (_blank, "empty_file"),
        pytest.param(_objects, "unreadable_file", marks=pytest.mark.slow),
    ],
)
def test_a_huge_file_takes_little_memory(
    tmp_path: Path, check: Callable[..., Checked], write: Callable[[Path], None], code: str
) -> None:
    write(path := tmp_path / "huge.jsonl")
    found = check(path)
    path.unlink()
    assert found.status == 0 and code in found.codes
    assert found.memory < MOST_MEMORY


def test_what_is_no_file_is_said(tmp_path: Path, check: Callable[..., Checked]) -> None:
    for subject, says in ((tmp_path, "is a folder"), (tmp_path / "rows.jsonl", "is no file")):
        found = check(subject)
        assert found.status == 1 and says in found.text


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path, check: Callable[..., Checked]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(lines({}))
    path.chmod(0)
    found = check(path)
    assert found.status == 1 and "cannot be opened" in found.text
