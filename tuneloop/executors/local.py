"""Training in a child process on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from tuneloop.protocols import Asked

#: seconds between looks at the child's events and at what is asked of it
PAUSE = 0.2
#: seconds a child has to end its step and write a checkpoint, and to end at once
PATIENCE, GRACE = 4.0, 2.0


class LocalExecutor:
    """Runs a training folder in a child process that gives way to the gateway. A child that outlives us (kill -9)
    notices and ends by itself; the folder's lock keeps its successor waiting until it has."""

    def __init__(self, environ: Callable[[], Mapping[str, str]] = dict) -> None:
        """`environ` are variables for the child, asked for when it starts."""
        self._environ = environ

    def run(self, folder: Path, *, asked: Callable[[], Asked | None], on_line: Callable[[int, str], None]) -> int:
        """Run to the end, or until asked otherwise, and return the exit code (minus the signal when one killed it)."""
        events = _tail(folder / "events.jsonl")
        with (folder / "output.log").open("ab") as output:
            command = [sys.executable, "-m", "tuneloop.training", str(folder)]
            environ = {**os.environ, **self._environ()}
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environ,
                start_new_session=True,  # that it can give way as a whole; Ctrl-C is for us, and it notices our end
            )
        try:
            _give_way(child.pid)
            while child.poll() is None:
                _pass_on(events, on_line)
                if wanted := asked():
                    if wanted == "pause":
                        _pause(child, asked)
                    break
                time.sleep(PAUSE)
        finally:
            code = _stop(child)
        _pass_on(events, on_line)
        return code


def _give_way(pid: int) -> None:
    """Chat answers while training: the gateway and the engines come first.

    Linux shares the processor among sessions first and heeds niceness only within one (man 7 sched, "The autogroup
    feature"). An engine, whose threads wait for each other at every layer, is a thousand times slower where one of them
    waits for its share.
    """
    with suppress(AttributeError, OSError):  # not every platform has it, and the child may have ended already
        os.setpriority(os.PRIO_PROCESS, pid, 19)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("19")


def _pause(child: subprocess.Popen[bytes], asked: Callable[[], Asked | None]) -> None:
    """Let a child end by itself. A step that takes too long is lost: what follows is the same without it."""
    child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < deadline and asked() != "cancel":
        time.sleep(PAUSE)


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
