"""One llama.cpp server in a child process: a crash in native code must not take the gateway down."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TypedDict

from tuneloop.errors import EngineUnavailable

#: loading a model of many gigabytes from a slow disk takes minutes
_START_SECONDS = 600.0
_MOST_LOG_BYTES = 1_000_000
_QUOTED_CHARACTERS = 1000


class ServerOptions(TypedDict):
    """What the child has to know."""

    #: the id it answers by
    model: str
    #: path of the GGUF file
    gguf: str
    #: path of the adapter's GGUF file, or None
    adapter: str | None
    #: path of the folder with the tokenizer and the chat template
    folder: str
    #: path of the chat template that a tuned model was trained with, or None for the one in the folder
    chat_template: str | None
    #: make embeddings, and nothing else
    embeddings: bool
    #: calls answered at the same time, and tokens (prompt and answer) of each
    slots: int
    context: int
    threads: int
    #: process id of the parent, with which the child ends
    parent: int


class LlamaCppChild:
    """A running server. Making one blocks until it answers. Raises EngineUnavailable with the end of its log."""

    def __init__(self, options: ServerOptions, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        mode = "wb" if log.exists() and log.stat().st_size > _MOST_LOG_BYTES else "ab"
        with log.open(mode) as stream:
            begin = stream.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tuneloop.engines.llama_cpp_server", json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,  # Ctrl-C in a terminal is for us; we stop our children ourselves
            )
        url = self._handshake()
        if url is None:
            self.stop()
            raise EngineUnavailable(
                f"llama.cpp could not serve {options['model']!r} (exit code {self._process.returncode}). "
                f"The end of {log}:\n{_tail(log, begin)}"
            )
        self.url = url

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Give the process time to end; whether it has."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End the process. It keeps nothing that would need time to be saved."""
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def _handshake(self) -> str | None:
        assert self._process.stdout is not None
        limit = threading.Timer(_START_SECONDS, self._process.kill)
        limit.start()
        with self._process.stdout as stdout:
            line = stdout.readline()
        limit.cancel()
        return str(json.loads(line)["url"]) if line else None


def _tail(log: Path, begin: int) -> str:
    with log.open("rb") as stream:
        stream.seek(begin)
        return stream.read().decode("utf-8", "replace")[-_QUOTED_CHARACTERS:].strip()
