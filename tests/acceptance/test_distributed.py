"""Runs of several processes: the same as of one, killed and gone on, refused, stopped, orphaned."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from filelock import FileLock

from tests.acceptance.test_training_run import events, result, steps, wait_for_step, write_run
from tests.tiny import write_tiny_model
from tuneloop.training.records import EventLog
from tuneloop.training.run import train

MakeRun = Callable[..., Path]

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
#: what a machine with two GPUs does
LAUNCH = "import pathlib, sys; from tuneloop.training import distributed; "
LAUNCH += "sys.exit(distributed.launch(pathlib.Path(sys.argv[1]), 2))"


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Makes a folder with a spec.json whose files are beside it."""
    model = write_tiny_model(tmp_path / "model")

    return partial(write_run, tmp_path, model, method="dpo", n_epochs=8)


@pytest.fixture
def launch() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    started = []

    def start(folder: Path) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", LAUNCH, str(folder)]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_team_computes_what_one_process_does() -> None:
    done = subprocess.run([*TORCHRUN, "tests.acceptance.team_member"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["process 0 is content", "process 1 is content"]


@pytest.mark.slow
def test_a_run_of_a_team_goes_on_to_the_same_result_when_killed(
    make_run: MakeRun, launch: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    alone, straight, killed = make_run("alone"), make_run("straight"), make_run("killed")
    subprocess.run([*TORCHRUN, "tuneloop.training", str(straight)], check=True)
    process = launch(killed)
    wait_for_step(killed, 8)
    process.terminate()
    assert process.wait(timeout=10) == 143
    assert not (killed / "result.json").exists()
    assert launch(killed).wait() == 0

    assert any(event["message"].startswith("Resumed from the checkpoint") for event in events(killed))
    assert steps(killed) == steps(straight)
    weights = "adapter/adapter_model.safetensors"
    assert (killed / weights).read_bytes() == (straight / weights).read_bytes()
    assert len([event for event in events(straight) if event["message"] == "Training completed"]) == 1

    # Products in bfloat16 round differently in trees of other rows.
    expected = train(alone, EventLog(alone / "events.jsonl"), lambda: False)
    assert result(straight)["hyperparameters"] == expected.hyperparameters
    losses, its_losses = ([loss for _, loss, _ in steps(folder)] for folder in (straight, alone))
    assert losses == pytest.approx(its_losses, rel=0.05)


def test_a_team_with_wrong_data_says_what_is_to_blame(
    make_run: MakeRun, launch: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    folder = make_run("run", rows=7)
    assert launch(folder).wait() == 2
    assert result(folder)["error"]["code"] == "invalid_n_examples"
    assert [event["level"] for event in events(folder)] == ["info", "error"]


def test_a_team_whose_parent_died_stops_at_a_checkpoint(make_run: MakeRun) -> None:
    folder = make_run("run", n_epochs=100)
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, sys.executable, LAUNCH, str(folder)])
    wait_for_step(folder, 2)
    parent.kill()
    parent.wait()
    with FileLock(folder / "lock", timeout=30):
        last = steps(folder)[-1][0]
        assert last < 600
        assert (folder / "checkpoints" / f"step-{last}" / "state.pt").exists()


_PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.argv[1], "-c", sys.argv[2], sys.argv[3]])
time.sleep(600)
"""
