"""What starts often starts light: no torch, no ray, and for --help no server or database either."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "ray", "transformers", "peft", "xllamacpp", "scipy"}
HELP = """
import sys
sys.argv = ["tuneloop", "--help"]
try:
    import tuneloop.__main__
except SystemExit:
    pass
"""
SERVER = {"fastapi", "uvicorn", "sqlalchemy", "dbos", "aiohttp", "genai_prices"}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import tuneloop", HEAVY | SERVER | {"rich", "typer"}),
        (HELP, HEAVY | SERVER),
        ("import tuneloop.gateway, tuneloop.engines.llama_cpp", HEAVY | {"dbos"}),
        ("import tuneloop.api.app, tuneloop.loop", HEAVY | {"dbos"}),
    ],
)  # fmt: skip
def test_imports(code: str, unwanted: set[str]) -> None:
    program = f"{code}\nimport sys\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("MODULES")[2].split())
    assert loaded & unwanted == set()


def test_help_shows_every_command() -> None:
    done = subprocess.run([sys.executable, "-m", "tuneloop", "--help"], capture_output=True, text=True, check=True)
    for command in ("serve", "demo", "logs", "feedback", "datasets", "tune", "evaluate", "deploy", "rollback", "cost"):
        assert command in done.stdout


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["tune"], ["serve", "--port", "99999"], ["logs", "list", "--limit", "0"]]
)
def test_wrong_usage_is_said_on_stderr(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "tuneloop", *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and "Usage" in done.stderr
