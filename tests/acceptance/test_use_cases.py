"""The use cases of examples/, whole: `tuneloop verdict` as their READMEs say, and what they expect."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

USE_CASES = Path(__file__).parents[2] / "examples" / "use_cases"
NAMES = sorted(folder.parent.name for folder in USE_CASES.glob("*/train.jsonl"))


def command(name: str) -> list[str]:
    """The README's command."""
    block = (USE_CASES / name / "README.md").read_text(encoding="utf-8").split("```sh\n")[1].split("```")[0]
    words = shlex.split(block.replace("\\\n", " "), comments=True)
    return words[words.index("verdict") :]


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", NAMES)
def test_the_verdict_is_what_is_expected(name: str, test_home: Path, tmp_path: Path) -> None:
    expected = json.loads((USE_CASES / name / "expected.json").read_text())
    home, report = tmp_path / "home", tmp_path / "report.json"
    home.mkdir()
    (home / "models").symlink_to(test_home / "models")
    arguments = [argument if argument != "report.html" else str(report) for argument in command(name)]
    environ = {**os.environ, "TUNELOOP_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "tuneloop", *arguments],
        env=environ,
        cwd=USE_CASES / name,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    arms = {arm["name"]: arm for arm in found["arms"]}
    candidate = arms[found["candidate"]]
    assert found["verdict"]["answer"] == expected["verdict"], found["verdict"]
    assert found["suitability"]["kind"] == expected["suitability"]
    quality = candidate["metrics"][found["primary"]]
    assert expected["least_quality"] <= quality <= expected["most_quality"]
    assert (candidate["difference"]["low"] > 0) == expected["tuned_ahead_of_prompted"], candidate["difference"]
    shares = [point["share"] for point in found["learning_curve"]["points"]]
    assert shares == [0.25, 0.5, 1.0] and found["regression"]["questions"]["rows"] == 50
    assert candidate["prompt_tokens"] < arms["prompted"]["prompt_tokens"]
