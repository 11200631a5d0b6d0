"""Compare models on a dataset's held-out rows: from names to a kept Evaluation."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Literal

from tuneloop import datasets, evaluations
from tuneloop.engines.asking import Asker
from tuneloop.errors import InvalidInput
from tuneloop.evaluations import Answer, Arm
from tuneloop.graders import pick
from tuneloop.loop import Loop
from tuneloop.store.ids import new_id
from tuneloop.types import Dataset, Evaluation, Example, Split


def arms(loop: Loop, dataset: Dataset, models: Sequence[str], base: str | None, shots: int) -> list[Arm]:
    """The base with its prompt, the base with examples in the prompt, and each of `models`.

    `base` is by default what the first tuned one of `models` was made from. Raises ModelNotFound.
    """
    catalog = loop.routes.catalog()
    names = [catalog.aliases.get(name, name) for name in models]
    tuned = [catalog.tuned[name] for name in names if name in catalog.tuned]
    base = base or (tuned[0].base if tuned else loop.settings.base_model)
    for name in [base, *names]:
        loop.routes.route(name)
    found = [Arm(name="prompted", model=base)]
    if shots:
        shown = evaluations.choose_examples(list(datasets.good(loop.store.datasets.rows(dataset.id, "train"))), shots)
        found.append(Arm(name=f"{shots} examples", model=base, kind="few_shot", examples=shown))
    for asked, name in zip(models, names, strict=True):
        kind: Literal["tuned", "prompted"] = "tuned" if name in catalog.tuned else "prompted"
        found.append(Arm(name="tuned" if kind == "tuned" and len(tuned) == 1 else asked, model=name, kind=kind))
    return found


def held_out(loop: Loop, dataset: Dataset, split: Split, most: int | None) -> list[Example]:
    """The rows nobody trained on; the first `most` of them. Raises InvalidInput when there are none."""
    rows = list(datasets.good(loop.store.datasets.rows(dataset.id, split)))
    if not rows:
        raise InvalidInput(
            f"dataset {dataset.name!r} has no {split} rows; make it with a share for them (--split 80/10/10), "
            "or compare on another split (--on validation)",
            param="split",
        )
    # Ids are hashes: sorted by them, the first rows are a fair sample of all.
    return sorted(rows, key=lambda row: row.id)[:most]


async def compare(
    loop: Loop,
    dataset: Dataset,
    sides: Sequence[Arm],
    rows: Sequence[Example],
    *,
    concurrency: int,
    on_progress: evaluations.Progress,
) -> Evaluation:
    """Ask every arm every row, judge, and keep the result."""
    references = [evaluations.text_of(row.messages[-1]) for row in datasets.good(loop.store.datasets.rows(dataset.id))]
    async with Asker(loop.routes) as asker:
        report = await evaluations.run(
            sides,
            rows,
            asker.answer,
            concurrency=concurrency,
            on_progress=on_progress,
            price=lambda model, answer, seconds: price(loop, model, answer, seconds),
            graders=pick(references),
        )
    evaluation = Evaluation(id=new_id("eval_"), created_at=time.time(), dataset_id=dataset.id, report=report)
    loop.store.evaluations.add(evaluation)
    return evaluation


def price(loop: Loop, model: str, answer: Answer, seconds: float) -> float | None:
    """Dollars of one call: a local model's by the machine's time, an upstream's by its tokens."""
    if loop.routes.route(model).model.kind != "upstream":
        return loop.prices.machine_cost(seconds)
    if answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return loop.prices.cost(None, model, answer.prompt_tokens, answer.completion_tokens)
