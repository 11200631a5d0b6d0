"""Compare models on a dataset's held-out rows: from names to a kept Evaluation with its verdict."""

from __future__ import annotations

import asyncio
import platform
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import psutil

from tuneloop import calls, costs, datasets, evaluations, graders, grading, prompts
from tuneloop.engines.asking import Asker
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.evaluations import Answer, Arm, Doors, Progress, Terms
from tuneloop.graders import Graded
from tuneloop.graders.sandbox import Sandbox
from tuneloop.loop import Loop
from tuneloop.prompts import Prompt
from tuneloop.store import schema
from tuneloop.store.ids import content_id, new_id
from tuneloop.types import Dataset, Evaluation, Example, Json, Log, Split

Pick = Literal["random", "similar"]
#: between a model's name and the Prompt that it is asked with, in the names of arms
PLUS = "+"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """What is compared, by names."""

    #: a model, an alias, or either with a Prompt in place of the rows' own: "gpt-4o+support@2"
    models: Sequence[str] = ()
    #: the prompted model; None takes what the first tuned one of `models` was made from
    base: str | None = None
    #: examples shown by the few-shot arms of the base, and how they are chosen
    shots: int = 5
    picks: Sequence[Pick] = ("random", "similar")
    #: whether the answers that are in the log are an arm
    logged: bool = False


def arms(loop: Loop, dataset: Dataset, sides: Sides, rows: Sequence[Example] = ()) -> list[Arm]:
    """What was logged, the base with its prompt and with examples in the prompt, and each of the models.

    Raises ModelNotFound, NotFound for a Prompt, and InvalidInput for what cannot be compared.
    """
    named = [_Side.read(loop, text) for text in sides.models]
    tuned = [side for side in named if side.tuned_from]
    base = sides.base or (tuned[0].tuned_from if tuned else None) or loop.settings.base_model
    loop.routes.route(base)
    found = [_logged(loop, rows)] if sides.logged else []
    found.append(Arm(name="prompted", model=base))
    if sides.shots:
        shown = list(datasets.good(loop.store.datasets.rows(dataset.id, "train")))
        for pick in sides.picks:
            picker = evaluations.PICKERS[pick](shown, sides.shots)
            words = [str(sides.shots), "" if pick == "random" else pick, "example" if sides.shots == 1 else "examples"]
            found.append(Arm(name=" ".join(filter(None, words)), model=base, kind="few_shot", examples=picker))
    for side in named:
        found.append(side.arm("tuned" if side.tuned_from and len(tuned) == 1 else side.name))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Side:
    """One of the models that were named."""

    name: str
    model: str
    #: in place of the rows' own; of a tuned model, by default the one it was tuned with
    prompt: Prompt | None
    #: the base model of a tuned one
    tuned_from: str | None

    @classmethod
    def read(cls, loop: Loop, text: str) -> _Side:
        catalog = loop.routes.catalog()
        model, plus, reference = text.rpartition(PLUS) if PLUS in text and text not in catalog.tuned else (text, "", "")
        model = catalog.aliases.get(model, model)
        loop.routes.route(model)
        tuned = catalog.tuned.get(model)
        prompt = prompts.find(loop.store, reference) if plus else tuned_with(loop, model)
        return cls(name=text, model=model, prompt=prompt, tuned_from=tuned.base if tuned else None)

    def arm(self, name: str) -> Arm:
        kind: Literal["tuned", "prompted"] = "tuned" if self.tuned_from else "prompted"
        arm = Arm(name=name, model=self.model, kind=kind)
        return arm if self.prompt is None else with_prompt(arm, self.prompt)


def with_prompt(arm: Arm, prompt: Prompt) -> Arm:
    """The arm asked with a Prompt, whose instructions take the place of the rows' own."""
    brought = {name: value for name, value in prompts.defaults(prompt).items() if name != "tools"}  # rows have theirs
    return replace(
        arm,
        prompt=prompt.reference,
        template=lambda asked: prompts.messages(prompt, asked, {}),
        parameters=brought,
    )


def tuned_with(loop: Loop, model: str) -> Prompt | None:
    """The Prompt that a tuned model was trained with in place of the rows' own."""
    tuned = loop.store.models.find(model)
    job = loop.store.jobs.find(tuned.job_id) if tuned and tuned.job_id else None
    reference = job.metadata.get("prompt") if job else None
    try:
        return prompts.find(loop.store, reference) if reference else None
    except NotFound:
        return None  # deleted since: the rows' own it is


def told(loop: Loop, model: str, prompt: str | None) -> str | None:
    """The version of the Prompt that a deployed model is told in place of the callers' instructions: the one that is
    named, none for "", by default the one it was tuned with. Raises NotFound."""
    if prompt is None:
        found = tuned_with(loop, model)
    else:
        found = prompts.find(loop.store, prompt, param="prompt") if prompt else None
    return None if found is None else found.reference


def _logged(loop: Loop, rows: Sequence[Example]) -> Arm:
    logs = {row.id: loop.store.logs.get(row.log_id) for row in rows if row.log_id}
    if not logs:
        raise InvalidInput("the data set was not made of logs, so that there are no logged answers to compare")
    models = Counter(log.served_by or log.model for log in logs.values())
    answers = {row: _given(log) for row, log in logs.items()}
    return Arm(name="logged", model=models.most_common(1)[0][0], kind="logged", answers=answers)


def _given(log: Log) -> Answer:
    message = calls.answer_of(log.response)
    return Answer(
        text=calls.text_of(message) if message else log.output_text,
        message=message if message and message.get("tool_calls") else None,
        latency_ms=log.latency_ms,
        first_token_ms=log.first_token_ms,
        prompt_tokens=log.prompt_tokens,
        completion_tokens=log.completion_tokens,
        cost=log.cost,
        error=log.error,
    )


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What is to be compared, and how."""

    dataset: Dataset
    arms: Sequence[Arm]
    rows: Sequence[Example]
    terms: Terms
    #: of OpenAI's shapes or ours; without any those that suit the data set's answers
    graders: Sequence[Json] = ()
    #: seconds that an answer may take
    timeout: float = 120.0
    #: id of the Evaluation that it is, if there is one already
    evaluation: str | None = None

    @property
    def digest(self) -> str:
        """The same for the same question: one that was broken off is gone on with."""
        arms, rows = [arm.about for arm in self.arms], [row.id for row in self.rows]
        return content_id("", [self.dataset.id, arms, rows, list(self.graders)])


async def compare(loop: Loop, asked: Comparison, on_progress: Progress) -> Evaluation:
    """Ask every arm every row, judge, and keep the result; one that was broken off goes on where it was.

    Raises CostLimitReached; what was answered until then is kept.
    """
    begun = _begin(loop, asked)
    terms = replace(asked.terms, head={**_head(loop, asked), **asked.terms.head})
    catalog = loop.routes.catalog()
    async with Asker(loop.routes, timeout=asked.timeout) as asker:
        judges = [_grader(loop, asker, one) for one in asked.graders or _suited(loop, asked.dataset)]
        report = await evaluations.run(
            asked.arms,
            asked.rows,
            Doors(
                ask=lambda model, messages, parameters: asker.answer(
                    model, messages, _as_asked(loop, model, parameters)
                ),
                price=lambda model, answer, seconds: price(loop, model, answer, seconds),
                grade_price=lambda graded: _price_of_grade(loop, graded),
                keeper=_Kept(loop, begun),
                progress=on_progress,
                # A call to an upstream is paid for, and nothing is started there.
                warms_up=lambda arm: arm.model in catalog.base or arm.model in catalog.tuned,
            ),
            graders=judges,
            metadata=await loop.in_thread(_metadata, loop, asked.rows),
            terms=terms,
        )
    report["cost"] = await loop.in_thread(costs.of_evaluation, loop, report)
    loop.store.evaluations.change(
        begun.id, schema.evaluations.c.status == "running", report=report, status="completed", progress={}
    )
    return replace(begun, report=report, status="completed", progress={})


def _as_asked(loop: Loop, model: str, parameters: dict[str, Json]) -> dict[str, Json]:
    """As an application asks a local model: without a seed, which would keep it from using what it has read of the
    prompt before, four times as slow; the likeliest tokens need none."""
    if loop.routes.route(model).model.kind == "upstream":
        return parameters
    return {name: value for name, value in parameters.items() if name != "seed"}


def price(loop: Loop, model: str, answer: Answer, seconds: float) -> float | None:
    """Dollars of one call: a local model's by the machine's time, an upstream's by its tokens."""
    if loop.routes.route(model).model.kind != "upstream":
        return loop.prices.machine_cost(seconds)
    if answer.prompt_tokens is None or answer.completion_tokens is None:
        return None
    return loop.prices.cost(None, model, answer.prompt_tokens, answer.completion_tokens)


def _price_of_grade(loop: Loop, graded: Graded) -> float | None:
    found = [
        loop.prices.cost(None, model, used.prompt_tokens, used.completion_tokens)
        for model, used in graded.usage.items()
        if model not in loop.routes.catalog().base
    ]
    return sum(cost for cost in found if cost is not None)


def _suited(loop: Loop, dataset: Dataset) -> list[dict[str, Json]]:
    rows = datasets.good(loop.store.datasets.rows(dataset.id))
    return graders.suited([calls.text_of(row.messages[-1]) for row in rows])


def _grader(loop: Loop, asker: Asker, definition: Json) -> graders.Grader:
    """A grader whose judges are asked as the arms are, by the names that answer here."""
    ask = asker.for_graders(asyncio.get_running_loop(), loop.settings.base_model)
    return grading.read(loop.store, definition, ask=ask, run_python=Sandbox())


def _metadata(loop: Loop, rows: Sequence[Example]) -> dict[str, Mapping[str, Json]]:
    """What callers said of their calls, by row."""
    return {row.id: loop.store.logs.get(row.log_id).metadata for row in rows if row.log_id}


def _head(loop: Loop, asked: Comparison) -> dict[str, Json]:
    dataset = asked.dataset
    counts = {"train_rows": dataset.counts.get("train", 0), "split": asked.rows[0].split if asked.rows else None}
    machine = f"{psutil.cpu_count()} CPU cores, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory"
    about = {"id": dataset.id, "name": dataset.name, **counts}
    return {"title": dataset.name, "dataset": about, "machine": f"{platform.system()} {platform.machine()}, {machine}"}


def _begin(loop: Loop, asked: Comparison) -> Evaluation:
    if asked.evaluation is not None:
        return loop.store.evaluations.get(asked.evaluation)
    table = schema.evaluations.c
    open_ones = loop.store.evaluations.all(table.digest == asked.digest, table.status == "running")
    if open_ones:
        return open_ones[0]
    begun = Evaluation(
        id=new_id("eval_"),
        created_at=time.time(),
        dataset_id=asked.dataset.id,
        report={},
        status="running",
        digest=asked.digest,
    )
    loop.store.evaluations.add(begun)
    return begun


class _Kept:
    """The store as the keeper of a run's answers."""

    def __init__(self, loop: Loop, evaluation: Evaluation) -> None:
        self._table, self._id = loop.store.evaluations.answers, evaluation.id

    def kept(self) -> Mapping[tuple[str, str], Answer]:
        return {key: Answer(**answer) for key, answer in self._table.of(self._id).items()}

    def keep(self, arm: str, row: str, answer: Answer) -> None:
        self._table.add(self._id, arm, row, asdict(answer))
