"""A real `tuneloop serve` process in a home of its own, for acceptance tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
from openai import OpenAI

from tuneloop.client import Client
from tuneloop.errors import TuneloopError

KEY = "tl-acceptance"


class Server:
    """Starts on entering, may be killed and started again, leaves no process behind."""

    def __init__(self, home: Path, models: Path, **environ: str) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "models").exists():
            (home / "models").symlink_to(models)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TUNELOOP_", "OPENAI_"))}
        self.environ = {**kept, "TUNELOOP_HOME": str(home), "TUNELOOP_API_KEY": KEY, **environ}
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.client = Client(self.url, KEY)
        self.openai = OpenAI(base_url=self.url, api_key=KEY, max_retries=0)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.openai.close()
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.home / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "tuneloop", "serve", "--port", str(self.port)]
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                Client(self.url.removesuffix("/v1")).call("GET", "/health")
                return
            except TuneloopError:
                log_text = (self.home / "server.log").read_text()
                assert self.process.poll() is None and time.monotonic() < deadline, log_text
                time.sleep(0.1)

    def kill(self) -> None:
        """kill -9, and nothing else: what it started must notice by itself."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)

    def children(self, module: str) -> list[psutil.Process]:
        """The live processes below the server that run a module."""
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if _runs(child, module)]

    def run(self, *arguments: str, check: bool = True) -> str:
        """A `tuneloop` command in the same home; its output, standard error included."""
        command = [sys.executable, "-m", "tuneloop", *arguments]
        done = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=280)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def until(self, job: str, condition: Any, seconds: float = 200) -> Any:
        """Wait until `condition(job)` is true of a fine-tuning job."""
        deadline = time.monotonic() + seconds
        while not condition(found := self.openai.fine_tuning.jobs.retrieve(job)):
            events = self.openai.fine_tuning.jobs.list_events(job, limit=3).data
            assert time.monotonic() < deadline, [event.message for event in events]
            time.sleep(0.2)
        return found


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return module in process.cmdline()
    except psutil.Error:
        return False
