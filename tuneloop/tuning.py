"""From a dataset to a fine-tuning job and somebody who runs it."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tuneloop import datasets, files, finetuning
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.types import Dataset, File, FineTuningJob, Split


def create(
    loop: Loop,
    dataset: Dataset,
    *,
    model: str | None,
    suffix: str | None,
    seed: int | None,
    hyperparameters: Mapping[str, Any],
) -> FineTuningJob:
    """A job on the dataset's train split, with its validation split to choose the best checkpoint by."""
    training = _file(loop, dataset, "train")
    validation = _file(loop, dataset, "validation")
    if training is None:
        raise InvalidInput(f"dataset {dataset.name!r} has no train rows", param="dataset")
    request = {
        "model": model or loop.settings.base_model,
        "training_file": training.id,
        "validation_file": validation.id if validation else None,
        "suffix": suffix or dataset.name[:64],
        "seed": seed,
        "metadata": {"dataset": dataset.name[:512]},
        "method": {"type": "supervised", "supervised": {"hyperparameters": dict(hyperparameters)}},
    }
    return finetuning.create(loop.store, request, tunable=loop.tunable, dataset_id=dataset.id)


def _file(loop: Loop, dataset: Dataset, split: Split) -> File | None:
    lines = datasets.export(loop.store.datasets.rows(dataset.id, split))
    first = next(lines, None)
    if first is None:
        return None
    return files.create(loop.store, f"{dataset.name}-{split}.jsonl", "fine-tune", itertools.chain([first], lines))


@contextmanager
def worker(loop: Loop, job_id: str) -> Iterator[None]:
    """See to it that somebody runs the job: the server, if one does, else this process until the block ends."""
    if loop.server():
        loop.enqueue(job_id)
        yield
        return
    from tuneloop.executors.queue import JobQueue

    with loop.hold("", seconds=-1):  # behind another command that tunes
        queue = JobQueue(loop.queue_url, loop.runner.run)
        queue.start()
        queue.enqueue(job_id)
        try:
            yield
        except KeyboardInterrupt:
            # The thread that waits for the training child cannot be interrupted. The child notices that we are gone
            # and writes a checkpoint; whoever runs the queue next takes the job up there.
            sys.stdout.flush()
            os._exit(130)
        finally:
            queue.close()
