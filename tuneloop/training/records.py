"""What a run tells: events.jsonl while it goes on, results.csv and result.json at the end."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import orjson

from tuneloop.protocols import TrainingResult
from tuneloop.types import Json

#: OpenAI's columns and the metrics that go into each; a run has one of those
_COLUMNS = {
    "step": ("step",),
    "train_loss": ("train_loss",),
    "train_accuracy": ("train_mean_token_accuracy", "train_reward_accuracy"),
    "valid_loss": ("valid_loss",),
    "valid_mean_token_accuracy": ("valid_mean_token_accuracy",),
}


class EventLog:
    """Appends events to a file, each of them once: a resumed run says again only what had not been said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: set[str] = set()
        self._last_step = 0
        complete = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                complete += len(line)
                event = orjson.loads(line)
                self._said.add(event["message"])
                if event["type"] == "metrics":
                    self._last_step = max(self._last_step, event["data"]["step"])
        # A line cut short by a crash has been read by nobody.
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.truncate(path, complete)

    def message(
        self, text: str, data: Mapping[str, Json] | None = None, level: Literal["info", "warn", "error"] = "info"
    ) -> None:
        """Say something, unless it has been said."""
        if text not in self._said:
            self._said.add(text)
            self._write(level, "message", text, data)

    def metrics(self, text: str, data: Mapping[str, Json]) -> None:
        """Report the step in `data`, unless it or a later one has been reported."""
        if data["step"] > self._last_step:
            self._last_step = data["step"]
            self._write("info", "metrics", text, data)

    def _write(self, level: str, kind: str, text: str, data: Mapping[str, Json] | None) -> None:
        event = {"created_at": time.time(), "level": level, "type": kind, "message": text, "data": data}
        # One write a line: a killed run leaves no half of one.
        os.write(self._file, orjson.dumps(event) + b"\n")


def read_metrics(events: Path) -> Iterator[dict[str, Json]]:
    """The data of the metrics events in a file, step by step."""
    with events.open("rb") as lines:
        for line in lines:
            event = orjson.loads(line)
            if event["type"] == "metrics":
                yield event["data"]


def write_results_csv(path: Path, events: Path) -> None:
    """One row a step, in OpenAI's columns; cells are empty where nothing was measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for data in read_metrics(events):
        writer.writerow([next((data[key] for key in keys if key in data), None) for keys in _COLUMNS.values()])
    write_atomically(path, text.getvalue().encode())


def write_result(path: Path, result: TrainingResult) -> None:
    """Write result.json, the sign that a run has ended."""
    write_atomically(path, orjson.dumps(asdict(result), option=orjson.OPT_INDENT_2) + b"\n")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file that is either whole or not there, also after a crash."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
