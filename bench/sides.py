"""The two sides of the training benchmark, and the machine's own limit: each run is a process of its own.

A process is told what to do by `spec.json` in its folder, and leaves what it has measured beside it.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.adapter import write_adapter
from tuneloop.chat import load_chat
from tuneloop.examples import read_examples
from tuneloop.training.tree import TokenRow, epoch_batches

ROWS_A_STEP = 16
TRL_CONFIGURATION = "bfloat16 weights and autocast, float32 adapter, one row at a time, sdpa"

_SEED = 0
#: of Tuneloop's own learning rate, which is for real runs; this one is near 2e-4, as in TRL's examples
_MULTIPLIER = 0.07
#: has glibc keep memory that it would give back to the kernel and have cleared again
KEPT_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(256 << 20),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What one side did."""

    #: of each step
    seconds: Sequence[float]
    losses: Sequence[float]
    #: bytes
    peak_memory: int
    #: share of the machine's processor time that went to other work meanwhile
    disturbed: float


@dataclass(frozen=True, slots=True)
class Task:
    """What both sides are given: files in a folder."""

    model: Path
    folder: Path
    training_file: Path
    adapter: Path
    rows: Sequence[TokenRow]

    def batches(self) -> list[list[TokenRow]]:
        """The rows of each step, as Tuneloop's own run has them in its first epoch."""
        batches = epoch_batches(self.rows, ROWS_A_STEP, np.random.default_rng([_SEED, 1]))
        return [[self.rows[index] for index in batch] for batch in batches]


def make_task(model: Path, messages: Sequence[bytes], folder: Path) -> Task:
    """Write what both sides read: lines of messages, and the adapter to start from."""
    folder.mkdir()
    file = folder / "train.jsonl"
    file.write_bytes(b"\n".join(messages))
    rendered = [load_chat(model).render(row) for row in read_examples(file, "training_file")]
    rows = [TokenRow(np.array(row.token_ids), np.array(row.weights, dtype=np.float32)) for row in rendered]
    return Task(model, folder, file, write_adapter(model, folder / "adapter", _SEED), rows)


def run_tuneloop(task: Task, folder: Path) -> tuple[Run, float]:
    """Our own run, and the learning rate that it took."""
    spec = {
        "training_file": str(task.training_file),
        "adapter": str(task.adapter),
        "model": str(task.model),
        "seed": _SEED,
        "n_epochs": 1,
        "batch_size": ROWS_A_STEP,
        "learning_rate_multiplier": _MULTIPLIER,
        "schedule": "constant",
        "warmup": 0.0,
    }
    peak_memory, disturbed = _run_child([sys.executable, "-m", "tuneloop.training"], folder, spec)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    first = next(index for index, event in enumerate(events) if event["type"] == "metrics")
    steps = [event for event in events if event["type"] == "metrics"]
    times = [events[first - 1]["created_at"], *(step["created_at"] for step in steps)]
    seconds = [after - before for before, after in itertools.pairwise(times)]
    losses = [step["data"]["train_loss"] for step in steps]
    return Run(seconds, losses, peak_memory, disturbed), steps[0]["data"]["learning_rate"]


def run_trl(
    task: Task, folder: Path, python: str, learning_rate: float, *, float32: bool = False
) -> tuple[Run, dict[str, str]]:
    """TRL's run, and the versions of its parts."""
    spec = {
        "training_file": str(task.folder / "tokens.jsonl"),
        "adapter": str(task.adapter),
        "model": str(task.model),
        "batch_size": ROWS_A_STEP,
        "learning_rate": learning_rate,
        "float32": float32,
    }
    with (task.folder / "tokens.jsonl").open("w") as file:
        for row in itertools.chain(*task.batches()):
            labels = np.where(row.weights > 0, row.tokens, -100)
            file.write(json.dumps({"input_ids": row.tokens.tolist(), "labels": labels.tolist()}) + "\n")
    peak_memory, disturbed = _run_child([python, "-m", "bench.trl_peer"], folder, spec, {"HF_HUB_OFFLINE": "1"})
    result = json.loads((folder / "result.json").read_text())
    return Run(result["seconds"], result["losses"], peak_memory, disturbed), result["versions"]


def run_peak(task: Task, folder: Path) -> dict[str, float]:
    """What the products of a step of average size take at their best (bench/peak.py)."""
    counts = [count_distinct(batch) for batch in task.batches()]
    tokens, targets = (round(statistics.mean(column)) for column in zip(*counts, strict=True))
    spec = {"model": str(task.model), "tokens": tokens, "targets": targets}
    _run_child([sys.executable, "-m", "bench.peak"], folder, spec)
    return {**spec, **json.loads((folder / "result.json").read_text())}


def count_distinct(rows: Sequence[TokenRow]) -> tuple[int, int]:
    """Tokens, and targets among them, that differ in themselves or in what precedes them."""
    tokens, targets = set(), set()
    for row in rows:
        for end in range(1, len(row.tokens) + 1):
            prefix = hash(row.tokens[:end].tobytes())
            tokens.add(prefix)
            if end > 1 and row.weights[end - 1]:
                targets.add(prefix)
    return len(tokens), len(targets)


def _run_child(
    command: Sequence[str], folder: Path, spec: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> tuple[int, float]:
    """Run `command FOLDER` to its end: the most bytes it held, and what share of the processor time others had.

    Raises SystemExit when it fails.
    """
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(spec))
    began, idle = time.monotonic(), _idle_seconds()
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [*command, str(folder)], stdout=output, stderr=output, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "output").read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    available = (time.monotonic() - began) * psutil.cpu_count()
    others = available - (_idle_seconds() - idle) - usage.ru_utime - usage.ru_stime
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), max(0.0, others / available)


def _idle_seconds() -> float:
    """Processor time that nothing has used since the machine was started, over all cores."""
    times = psutil.cpu_times()
    return float(times.idle + getattr(times, "iowait", 0.0))
