"""From a dataset to a fine-tuning job and somebody who runs it."""

from __future__ import annotations

import itertools
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import orjson

from tuneloop import datasets, files, finetuning, methods, prompts
from tuneloop.errors import InvalidInput, Unavailable
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
    rows = list(rows_of(loop, dataset, "train", recipe))
    datasets.check_enough(dataset, rows, recipe.method)
    validation = rows_of(loop, dataset, "validation", recipe)
    request = {
        **asked(loop, dataset, recipe),
        "training_file": _file(loop, dataset, "train", recipe, rows),
        "validation_file": _file(loop, dataset, "validation", recipe, validation),
        "metadata": {"dataset": dataset.name[:512], **_told(recipe), **(metadata or {})},
    }
    return finetuning.create(loop.store, request, tunable=loop.tunable, dataset_id=dataset.id)


def asked(loop: Loop, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """The request for a job, without its files."""
    method, hyperparameters = recipe.method, recipe.hyperparameters
    more = {"grader": hyperparameters.get("grader")} if method == "reinforcement" else {}
    return {
        "model": recipe.model or loop.settings.base_model,
        "suffix": recipe.suffix or dataset.name[:64],
        "seed": recipe.seed,
        "method": methods.shape(method, {n: v for n, v in hyperparameters.items() if n not in more}, more),
    }


def rows_of(loop: Loop, dataset: Dataset, split: Split, recipe: Recipe) -> Iterable[Example]:
    """The rows of a split that a recipe takes."""
    rows = loop.store.datasets.rows(dataset.id, split)
    return _part(rows, recipe.share) if split == "train" else rows


def lines(rows: Iterable[Example], recipe: Recipe) -> Iterator[bytes]:
    """What a recipe makes of rows: the lines of a training file."""
    return datasets.export(_instructed(rows, recipe.prompt), recipe.method)


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
    content = lines(rows, recipe)
    first = next(content, None)
    if first is None:
        return None
    name = f"{dataset.name}-{split}.jsonl"
    return files.create(loop.store, name, "fine-tune", itertools.chain([first], content)).id


class Needs(NamedTuple):
    """What a run takes on this machine."""

    seconds: float
    bytes: int
    steps: int
    #: times through the rows
    epochs: int


def foresee(
    loop: Loop,
    content: Iterable[bytes],
    model: str | None = None,
    *,
    validation: Iterable[bytes] = (),
    wanted: Callable[[], bool] = lambda: True,
    **told: Any,
) -> Needs:
    """What tuning a model on these training rows takes, with what else the run is `told` (method, batch_size, ...), the
    rest left to "auto": measured by a training process that ends before its first step, or when it is no longer
    `wanted`. Raises InvalidInput for rows that it cannot learn from."""
    base, adapter = _start(loop, model or loop.settings.base_model)
    spec = {**told, "model": str(base), "adapter": adapter}
    said = _hear(loop, content, "estimated_seconds", validation=validation, wanted=wanted, **spec)
    return Needs(said["estimated_seconds"], said["estimated_bytes"], said["total_steps"], said["n_epochs"])


def loss_of(loop: Loop, model: str, lines: Iterable[bytes]) -> float:
    """The mean loss (nats for each token) of a base or tuned model on the answers of ten training rows or more: what a
    training process finds before its first step. Raises InvalidInput for rows that it cannot learn from."""
    base, adapter = _start(loop, model)
    content = list(lines)
    said = _hear(loop, content, "valid_loss", validation=content, model=str(base), adapter=adapter)
    return float(said["valid_loss"])


def _start(loop: Loop, model: str) -> tuple[Path, str | None]:
    """The folder of the whole model that a run begins with, and that of the adapter on it."""
    tuned = loop.store.models.find(model)
    adapter = tuned.adapter if tuned and tuned.adapter and not (Path(tuned.adapter) / WHOLE_MODEL).exists() else None
    return loop.base_folder(tuned.base if tuned and adapter else model), adapter


def _hear(
    loop: Loop,
    content: Iterable[bytes],
    subject: str,
    *,
    validation: Iterable[bytes] = (),
    wanted: Callable[[], bool] = lambda: True,
    **spec: Any,
) -> dict[str, Any]:
    """What a training process says until it has told of its `subject`, when it is ended."""
    from tuneloop.executors.local import LocalExecutor

    told: dict[str, Any] = {}
    with TemporaryDirectory(prefix="tuneloop-") as name:
        folder = Path(name)
        training_file, validation_file = folder / "training_file.jsonl", folder / "validation_file.jsonl"
        _write(training_file, content)
        training = TrainingSpec(
            training_file=str(training_file),
            validation_file=str(validation_file) if _write(validation_file, validation) else None,
            threads=loop.settings.threads,
            **spec,
        )
        (folder / "spec.json").write_bytes(orjson.dumps(training))

        def hear(number: int, line: str) -> None:
            told.update(orjson.loads(line).get("data") or {})

        LocalExecutor().run(folder, asked=lambda: "cancel" if subject in told or not wanted() else None, on_line=hear)
        if subject not in told:
            result = folder / "result.json"
            error = orjson.loads(result.read_bytes()).get("error") if result.is_file() else None
            if error:
                raise InvalidInput(error["message"])
            raise Unavailable("the training process ended before it could tell")
    return told


def _write(path: Path, content: Iterable[bytes]) -> int:
    """Write lines into a file; returns how many bytes they are."""
    with path.open("wb") as out:
        out.writelines(content)
        return out.tell()


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
