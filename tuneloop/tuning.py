"""From a dataset to a fine-tuning job and somebody who runs it."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson

from tuneloop import datasets, files, finetuning, methods
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.protocols import Method, TrainingSpec
from tuneloop.types import Dataset, FineTuningJob, Split


def create(
    loop: Loop,
    dataset: Dataset,
    *,
    method: Method = "supervised",
    model: str | None,
    suffix: str | None,
    seed: int | None,
    hyperparameters: Mapping[str, Any],
) -> FineTuningJob:
    """A job on what the method learns from the dataset's train split, with its validation split to choose the best
    checkpoint by. For reinforcement the `hyperparameters` have its grader. Raises InvalidInput when there is too little
    for the method."""
    more = {"grader": hyperparameters.get("grader")} if method == "reinforcement" else {}
    datasets.check_enough(dataset, loop.store.datasets.rows(dataset.id, "train"), method)
    request = {
        "model": model or loop.settings.base_model,
        "training_file": _file(loop, dataset, "train", method),
        "validation_file": _file(loop, dataset, "validation", method),
        "suffix": suffix or dataset.name[:64],
        "seed": seed,
        "metadata": {"dataset": dataset.name[:512]},
        "method": methods.shape(method, {n: v for n, v in hyperparameters.items() if n not in more}, more),
    }
    return finetuning.create(loop.store, request, tunable=loop.tunable, dataset_id=dataset.id)


def _file(loop: Loop, dataset: Dataset, split: Split, method: Method) -> str | None:
    """The id of a new file with the rows of a split; None when there are none."""
    lines = datasets.export(loop.store.datasets.rows(dataset.id, split), method)
    first = next(lines, None)
    if first is None:
        return None
    name = f"{dataset.name}-{split}.jsonl"
    return files.create(loop.store, name, "fine-tune", itertools.chain([first], lines)).id


class Needs(NamedTuple):
    """What a run takes on this machine."""

    seconds: float
    bytes: int
    steps: int


def foresee(loop: Loop, lines: Iterable[bytes], model: str | None = None) -> Needs:
    """What tuning a model on these training rows takes with everything left to "auto": measured by a training process
    that ends before its first step. Raises InvalidInput for rows that it cannot learn from."""
    from tuneloop.executors.local import LocalExecutor

    told: dict[str, Any] = {}
    base = loop.base_folder(model or loop.settings.base_model)
    with TemporaryDirectory(prefix="tuneloop-") as name:
        folder = Path(name)
        with (folder / "training_file.jsonl").open("wb") as file:
            file.writelines(lines)
        spec = TrainingSpec(
            model=str(base), training_file=str(folder / "training_file.jsonl"), threads=loop.settings.threads
        )
        (folder / "spec.json").write_bytes(orjson.dumps(spec))

        def hear(number: int, line: str) -> None:
            told.update(orjson.loads(line).get("data") or {})

        LocalExecutor().run(folder, asked=lambda: "cancel" if "estimated_seconds" in told else None, on_line=hear)
        if "estimated_seconds" not in told:
            result = folder / "result.json"
            error = orjson.loads(result.read_bytes()).get("error") if result.is_file() else None
            raise InvalidInput((error or {}).get("message") or "the training process ended before it could tell")
    return Needs(told["estimated_seconds"], told["estimated_bytes"], told["total_steps"])


@contextmanager
def worker(loop: Loop, job_id: str) -> Iterator[None]:
    """See to it that somebody runs the job: the server, if one does, else this process until the block ends."""
    job = finetuning.get(loop.store, job_id)
    if loop.server():
        loop.line_up(job)
        yield
        return
    from tuneloop.executors.queue import JobQueue

    with loop.hold("", seconds=-1):  # behind another command that tunes
        queue = JobQueue(loop.queue_url, {"fine-tuning": loop.runner.run})
        queue.start()
        queue.enqueue("fine-tuning", job_id, again=finetuning.turn(job))
        try:
            yield
        except KeyboardInterrupt:
            # The thread that waits for the training child cannot be interrupted. The child notices that we are gone
            # and writes a checkpoint; whoever runs the queue next takes the job up there.
            sys.stdout.flush()
            os._exit(130)
        finally:
            queue.close()
