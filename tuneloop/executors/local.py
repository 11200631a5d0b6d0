"""Training in a child process on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

#: seconds between looks at the child's events and at whether the job was cancelled
PAUSE = 0.2
#: seconds a child has to stop by itself
GRACE = 3.0


class LocalExecutor:
    """Runs a training folder in a child process that gives way to the gateway. A child that outlives us (kill -9)
    notices and ends by itself; the folder's lock keeps its successor waiting until it has."""

    def run(self, folder: Path, *, cancelled: Callable[[], bool], on_line: Callable[[int, str], None]) -> int:
        """Run to the end and return the exit code (minus the signal when one killed it)."""
        events = _tail(folder / "events.jsonl")
        with (folder / "output.log").open("ab") as output:
            command = [sys.executable, "-m", "tuneloop.training", str(folder)]
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            _give_way(child.pid)
            while child.poll() is None:
                _pass_on(events, on_line)
                if cancelled():
                    break
                time.sleep(PAUSE)
        finally:
            code = _stop(child)
        _pass_on(events, on_line)
        return code


def _give_way(pid: int) -> None:
    """Chat answers while training: the gateway and the engines come first."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    except (AttributeError, OSError):  # not every platform has it, and the child may have ended already
        pass


def _stop(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
    return child.wait()


def _pass_on(events: Iterator[tuple[int, str]], on_line: Callable[[int, str], None]) -> None:
    for number, line in events:
        if number == 0:  # nothing more for now
            return
        on_line(number, line)


def _tail(path: Path) -> Iterator[tuple[int, str]]:
    """The whole lines of a growing file with their numbers from 1; (0, "") whenever there is nothing more yet."""
    number, rest = 0, b""
    while not path.exists():
        yield 0, ""
    with path.open("rb") as file:
        while True:
            rest += file.readline()
            if rest.endswith(b"\n"):
                number += 1
                line, rest = rest.decode().strip(), b""
                if line:
                    yield number, line
            else:
                yield 0, ""
