"""The sandbox of python graders: a child process for each call, locked in by `cell.py` before it runs the source."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tuneloop.graders.grading import GradingFailed
from tuneloop.types import Json

_CELL = Path(__file__).with_name("cell.py")
#: nothing of ours; one thread for libraries that would start one a core
_ENVIRONMENT = {"LANG": "C.UTF-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """Runs the sources of python graders: time and memory limited, no network, no files but Python's own to read,
    none to write, no other processes, an empty environment. May be called from several threads at once."""

    seconds: float = 15.0
    megabytes: int = 1024

    def __call__(self, source: str, sample: Mapping[str, Json], item: Mapping[str, Json]) -> float:
        """What the source's grade(sample, item) returns. Raises GradingFailed with what went wrong inside."""
        task = {"source": source, "sample": sample, "item": item, "megabytes": self.megabytes}
        answer = self._run(orjson.dumps({**task, "seconds": int(self.seconds) + 1}))
        if "reward" not in answer:
            raise GradingFailed("python_grader_runtime_error", str(answer["error"]))
        return float(answer["reward"])

    def _run(self, task: bytes) -> dict[str, Any]:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
            given.write(task)
            given.seek(0)
            try:
                child = subprocess.Popen(
                    [sys.executable, "-I", "-X", "utf8", str(_CELL)],
                    stdin=given,
                    stdout=answer,
                    stderr=subprocess.DEVNULL,
                    env=_ENVIRONMENT,
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                raise GradingFailed("python_grader_server_error", f"no process: {error}") from error
            self._wait(child)
            answer.seek(0)
            try:
                found: dict[str, Any] = orjson.loads(answer.read())
            except ValueError:
                ending = f"ended with status {child.returncode} and no result"
                raise GradingFailed("python_grader_server_error", ending) from None
            return found

    def _wait(self, child: subprocess.Popen[bytes]) -> None:
        timer = threading.Timer(self.seconds, _kill, [child])
        timer.start()
        try:
            child.wait()
        finally:
            timer.cancel()
        if child.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
            limits = f"{self.seconds:g} s or the machine's memory"
            raise GradingFailed("python_grader_server_error", f"timeout: killed, it took more than {limits}")


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
