"""`python -m tuneloop.training FOLDER`: one training run as a process of its own.

Exit status: 0 done (or done before), 2 data or settings are to blame (result.json says how), 75 interrupted because the
parent process died: run again to go on, 143 ended by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import orjson
from filelock import FileLock

from tuneloop.errors import InvalidInput
from tuneloop.protocols import TrainingResult
from tuneloop.training.records import EventLog, write_result

_EXIT_INVALID, _EXIT_ORPHANED, _EXIT_TERMINATED = 2, 75, 143


def main(folder: Path) -> int:
    """Train in `folder` and return the exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    orphaned = _watch_parent()
    # A predecessor that is still dying holds the lock.
    with FileLock(folder / "lock"):
        result_file = folder / "result.json"
        if result_file.exists():
            return _EXIT_INVALID if orjson.loads(result_file.read_bytes())["error"] else 0
        events = EventLog(folder / "events.jsonl")
        events.message("Loading the data and the base model")
        # Threads that spin while they wait starve each other when the cores are shared, as with a server beside the
        # run: 52 s a step, against 6 s with threads that sleep. OpenMP reads this when torch is imported, which takes
        # seconds, so that the first event comes before it.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from tuneloop.training.run import Interrupted, train

        try:
            result = train(folder, events, orphaned.is_set)
        except InvalidInput as error:
            events.message(error.message, {"code": error.code, "param": error.param}, level="error")
            blame = {"code": error.code or "invalid_request", "message": error.message, "param": error.param}
            write_result(result_file, TrainingResult(error=blame))
            return _EXIT_INVALID
        except Interrupted:
            return _EXIT_ORPHANED
        events.message("Training completed", {"train_loss": result.train_loss, "valid_loss": result.valid_loss})
        write_result(result_file, result)
        return 0


def _terminate(*_: object) -> None:
    # At once, in the middle of anything: all that a later run reads is written atomically.
    os._exit(_EXIT_TERMINATED)


def _watch_parent() -> threading.Event:
    """An event that is set when the process that started this one is gone."""
    orphaned = threading.Event()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        orphaned.set()

    threading.Thread(target=watch, daemon=True).start()
    return orphaned


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
