"""`python -m tuneloop.training FOLDER`: one training run as a process of its own, or as one for each GPU.

Exit status: 0 done (or done before), 2 data or settings are to blame (result.json says how), 75 stopped at a checkpoint
because of SIGINT or the death of the parent process: run again to go on, 143 ended by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import psutil
from filelock import FileLock

from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingResult
from tuneloop.training.records import EventLog, write_result

if TYPE_CHECKING:
    from tuneloop.training.distributed import Team

_EXIT_INVALID, _EXIT_INTERRUPTED, _EXIT_TERMINATED = 2, 75, 143


def main(folder: Path) -> int:
    """Train in `folder` and return the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _train_in_team(folder)
    if (processes := _gpus()) > 1:
        from tuneloop.training.distributed import launch

        return launch(folder, processes)
    stopping = _watch_parents(1)
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    # A predecessor that is still dying holds the lock.
    with FileLock(folder / "lock"):
        return _train(folder, stopping)


def _train_in_team(folder: Path) -> int:
    """As one of the processes that torchrun has started."""
    from tuneloop.training.distributed import join, leave

    stopping = _watch_parents(2)  # torchrun's parent is the one that counts
    team = join()
    with FileLock(folder / "lock") if team.leads else nullcontext():
        team.wait()
        status = _train(folder, stopping, team)
        # The end of one is the end of all, so that the first to end is the one that writes.
        if status == _EXIT_INTERRUPTED:
            team.wait()
        elif status == _EXIT_INVALID:
            _wait_for(folder / "result.json")
    leave()
    return status


def _train(folder: Path, stopping: threading.Event, team: Team | None = None) -> int:
    result_file = folder / "result.json"
    if result_file.exists():
        return _EXIT_INVALID if orjson.loads(result_file.read_bytes())["error"] else 0
    log = folder / "events.jsonl"
    events = EventLog(log) if team is None else team.events(log)
    events.message("Loading the data and the base model")
    # Threads that spin while they wait starve each other when the cores are shared, as with a server beside the run
    # (27 s a step), threads that sleep at once wake too late (1.7 s, against 1.3 s with a short spin). OpenMP reads
    # this when torch is imported, which takes seconds, so that the first event comes before it.
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    # oneDNN keeps a program for each shape of product it has seen, and every step has shapes of its own: 1,024 of them
    # took 1 GB.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    from tuneloop.training.distributed import ALONE
    from tuneloop.training.epochs import Interrupted
    from tuneloop.training.run import train

    try:
        result = train(folder, events, stopping.is_set, team or ALONE)
    except InvalidInput as error:
        events.message(error.message, {"code": error.code, "param": error.param}, level="error")
        blame = {"code": error.code or "invalid_request", "message": error.message, "param": error.param}
        result = TrainingResult(error=blame)
    except Interrupted:
        return _EXIT_INTERRUPTED
    else:
        events.message("Training completed", {"train_loss": result.train_loss, "valid_loss": result.valid_loss})
    if team is None or team.leads:
        write_result(result_file, result)
    return _EXIT_INVALID if result.error else 0


def _gpus() -> int:
    """How many a run may use; torch takes seconds to say it, and is asked only where there may be several."""
    if len(list(Path("/dev").glob("nvidia[0-9]*"))) < 2:
        return 0
    import torch

    return torch.cuda.device_count()


def _terminate(*_: object) -> None:
    # At once, in the middle of anything: all that a later run reads is written atomically.
    os._exit(_EXIT_TERMINATED)


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _watch_parents(generations: int) -> threading.Event:
    """An event that is set when the process that started this one is gone, or the one before that."""
    gone = threading.Event()
    parents = _parents(generations)

    def watch() -> None:
        while _parents(generations) == parents:
            time.sleep(0.5)
        gone.set()

    threading.Thread(target=watch, daemon=True).start()
    return gone


def _parents(generations: int) -> list[int]:
    try:
        found = [os.getppid()]
        while len(found) < generations:
            found.append(psutil.Process(found[-1]).ppid())
    except psutil.Error:
        return []
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
