"""From a dataset to a fine-tuning job and somebody who runs it."""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson

from tuneloop import datasets, files, finetuning, methods, prompts
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.prompts import Prompt
from tuneloop.protocols import Method, TrainingSpec
from tuneloop.types import WHOLE_MODEL, Dataset, Example, FineTuningJob, Split


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a dataset is learnt from."""

    method: Method = "supervised"
    #: the model to tune; None takes TUNELOOP_BASE_MODEL
    model: str | None = None
    #: part of the tuned model's name; None takes the data set's
    suffix: str | None = None
    seed: int | None = None
    #: for reinforcement with its grader
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    #: its instructions take the place of the rows' own: the model then knows those by heart, and is asked with these
    prompt: Prompt | None = None
    #: of the train split, the same rows and more as it grows
    share: float = 1.0


def create(loop: Loop, dataset: Dataset, recipe: Recipe, *, metadata: Mapping[str, str] | None = None) -> FineTuningJob:
    """A job on what the method learns from the dataset's train split, with its validation split to choose the best
    checkpoint by. Raises InvalidInput when there is too little for the method."""
    method, hyperparameters = recipe.method, recipe.hyperparameters
    more = {"grader": hyperparameters.get("grader")} if method == "reinforcement" else {}
    rows = list(_part(loop.store.datasets.rows(dataset.id, "train"), recipe.share))
    datasets.check_enough(dataset, rows, method)
    about = {"dataset": dataset.name[:512], **_told(recipe), **(metadata or {})}
    asked = {
        "model": recipe.model or loop.settings.base_model,
        "training_file": _file(loop, dataset, "train", recipe, rows),
        "validation_file": _file(
            loop, dataset, "validation", recipe, loop.store.datasets.rows(dataset.id, "validation")
        ),
        "suffix": recipe.suffix or dataset.name[:64],
        "seed": recipe.seed,
        "metadata": about,
        "method": methods.shape(method, {n: v for n, v in hyperparameters.items() if n not in more}, more),
    }
    return finetuning.create(loop.store, asked, tunable=loop.tunable, dataset_id=dataset.id)


def _told(recipe: Recipe) -> dict[str, str]:
    """What a job's metadata say of how it was made."""
    prompt = {"prompt": recipe.prompt.reference} if recipe.prompt else {}
    return prompt if recipe.share == 1 else {**prompt, "share": f"{recipe.share:g}"}


def _part(rows: Iterable[Example], share: float) -> Iterable[Example]:
    """A share of the rows, chosen by their ids, which are hashes: a larger share has those of a smaller one."""
    if share == 1:
        return rows
    every = list(rows)
    chosen = {row.id for row in sorted(every, key=lambda row: row.id)[: math.ceil(share * len(every))]}
    return (row for row in every if row.id in chosen)


def _instructed(rows: Iterable[Example], prompt: Prompt | None) -> Iterable[Example]:
    if prompt is None:
        return rows
    return (replace(row, messages=[*prompts.messages(prompt, row.messages[:-1], {}), row.messages[-1]]) for row in rows)


def _file(loop: Loop, dataset: Dataset, split: Split, recipe: Recipe, rows: Iterable[Example]) -> str | None:
    """The id of a new file with the rows of a split; None when there are none."""
    lines = datasets.export(_instructed(rows, recipe.prompt), recipe.method)
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
    base = loop.base_folder(model or loop.settings.base_model)
    told = _hear(loop, lines, "estimated_seconds", model=str(base))
    return Needs(told["estimated_seconds"], told["estimated_bytes"], told["total_steps"])


def loss_of(loop: Loop, model: str, lines: Iterable[bytes]) -> float:
    """The mean loss (nats for each token) of a base or tuned model on the answers of ten training rows or more: what a
    training process finds before its first step. Raises InvalidInput for rows that it cannot learn from."""
    tuned = loop.store.models.find(model)
    adapter = tuned.adapter if tuned and tuned.adapter and not (Path(tuned.adapter) / WHOLE_MODEL).exists() else None
    base = loop.base_folder(tuned.base if tuned and adapter else model)
    told = _hear(loop, lines, "valid_loss", validate=True, model=str(base), adapter=adapter)
    return float(told["valid_loss"])


def _hear(loop: Loop, lines: Iterable[bytes], wanted: str, *, validate: bool = False, **spec: Any) -> dict[str, Any]:
    """What a training process says until it has told what is `wanted`, when it is ended."""
    from tuneloop.executors.local import LocalExecutor

    told: dict[str, Any] = {}
    with TemporaryDirectory(prefix="tuneloop-") as name:
        folder = Path(name)
        file = folder / "training_file.jsonl"
        with file.open("wb") as out:
            out.writelines(lines)
        training = TrainingSpec(
            training_file=str(file),
            validation_file=str(file) if validate else None,
            threads=loop.settings.threads,
            **spec,
        )
        (folder / "spec.json").write_bytes(orjson.dumps(training))

        def hear(number: int, line: str) -> None:
            told.update(orjson.loads(line).get("data") or {})

        LocalExecutor().run(folder, asked=lambda: "cancel" if wanted in told else None, on_line=hear)
        if wanted not in told:
            result = folder / "result.json"
            error = orjson.loads(result.read_bytes()).get("error") if result.is_file() else None
            raise InvalidInput((error or {}).get("message") or "the training process ended before it could tell")
    return told


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
