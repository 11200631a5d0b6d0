"""The whole verdict in one go: tune with the long prompt and with a short one, compare with what could be done without
tuning, draw the learning curve, look for what was forgotten. Every step that was done before is taken as it is, so
that what was interrupted goes on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tuneloop import calls, comparing, datasets, evaluations, forgetting, prompts, tuning
from tuneloop.checks import examination
from tuneloop.comparing import Comparison, Sides
from tuneloop.errors import EngineError
from tuneloop.evaluations import Arm, Progress, Terms
from tuneloop.examples import MIN_EXAMPLES
from tuneloop.importers import examined
from tuneloop.loop import Loop
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.store import schema
from tuneloop.store.ids import content_id
from tuneloop.tuning import Recipe
from tuneloop.types import Dataset, Evaluation, FineTuningJob, Json, Split

#: shares of the training rows that the points of a learning curve are trained on, beside all of them
SHARES = (0.25, 0.5)
LONG, SHORT = "tuned", "tuned, short prompt"
#: a short prompt is worth its while when it has at most this share of the long one's letters
_SHORTER = 0.5
#: states of a job that the same job need not be made anew for
_USEFUL = frozenset({"validating_files", "queued", "running", "succeeded"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a verdict is asked for."""

    dataset: Dataset
    split: Split = "test"
    #: the model to tune
    base: str
    #: what is known by heart afterwards in place of the rows' instructions; None compares with those alone
    short: Prompt | None = None
    #: other models, upstreams' too, as `comparing.Sides` has them
    against: Sequence[str] = ()
    shots: int = 5
    logged: bool = False
    curve: bool = True
    regression: bool = True
    rows: int | None = None
    seed: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    graders: Sequence[Json] = ()
    terms: Terms = field(default_factory=Terms)
    timeout: float = 120.0
    #: id of the Evaluation that it is, if there is one already
    evaluation: str | None = None


#: runs a job to its end, and returns it succeeded
Follow = Callable[[FineTuningJob], FineTuningJob]
#: hears what is done next
Say = Callable[[str], None]


def default_short(loop: Loop, dataset: Dataset) -> Prompt | None:
    """The first sentence of the instructions that all rows share, as a Prompt; None where rows have instructions of
    their own (they tell what a model cannot know by heart), or the sentence is not much shorter."""
    counts: Counter[str] = Counter()
    for row in datasets.good(loop.store.datasets.rows(dataset.id, "train")):
        system = [m for m in row.messages if evaluations.is_instruction(m)]
        counts["\n\n".join(calls.text_of(m) for m in system)] += 1
    if len(counts) != 1:
        return None
    whole = next(iter(counts)).strip()
    first = re.split(r"(?<=[.!?])\s|\n", whole, maxsplit=1)[0].strip()
    return save_short(loop, dataset, first) if 0 < len(first) <= _SHORTER * len(whole) else None


def save_short(loop: Loop, dataset: Dataset, text: str) -> Prompt:
    """A text as the instructions of a Prompt, named after the data set."""
    name = re.sub(r"[^\w.-]+", "-", f"{dataset.name}-short").strip("-.")[-64:]
    message = {"role": "system", "content": prompts.escape(text)}
    draft = Draft(name=name, messages=[message], note=f"short prompt of {dataset.name}")
    return prompts.save(loop.store, draft).prompt


def tune(loop: Loop, asked: Question, follow: Follow, say: Say) -> list[Arm]:
    """The tuned arms, trained one after the other; those that were trained before are taken as they are. Raises
    InvalidInput, and TuneloopError for a job that failed."""
    comparing.held_out(loop, asked.dataset, asked.split, asked.rows)  # nobody wants to hear of that after the training
    found = []
    prompted = [(LONG, None)] if asked.short is None else [(LONG, None), (SHORT, asked.short)]
    for name, prompt in prompted:
        found.append(_arm(name, _trained(loop, asked, (name, prompt, 1.0), follow, say), prompt))
    name, prompt = prompted[-1]
    for share in SHARES if asked.curve else ():
        if share * asked.dataset.counts.get("train", 0) >= MIN_EXAMPLES:
            arm = _arm(f"{share:.0%} of the rows", _trained(loop, asked, (name, prompt, share), follow, say), prompt)
            found.append(replace(arm, share=share))
    return found


async def give(loop: Loop, asked: Question, tuned: Sequence[Arm], progress: Progress, say: Say) -> Evaluation:
    """The verdict on the tuned arms, as a kept Evaluation; the same question goes on where it was. Raises InvalidInput
    and CostLimitReached."""
    rows = comparing.held_out(loop, asked.dataset, asked.split, asked.rows)
    sides = Sides(models=asked.against, base=asked.base, shots=asked.shots, logged=asked.logged)
    arms = [*comparing.arms(loop, asked.dataset, sides, rows), *tuned]
    named = asked.terms.candidate or _candidate(tuned)
    candidate = next((arm for arm in arms if arm.name == named), None)
    head = {**asked.terms.head, "suitability": await loop.in_thread(suitability, loop, asked.dataset)}
    if asked.regression and candidate is not None and candidate.kind == "tuned":
        # Before the comparison, which is completed by its last answer: killed here, nothing that is paid for is lost.
        say("Looking for what was forgotten")
        head["regression"] = await forgetting.check(
            loop, asked.base, candidate.model, concurrency=asked.terms.concurrency, progress=progress
        )
    question = Comparison(
        dataset=asked.dataset,
        arms=arms,
        rows=rows,
        terms=replace(asked.terms, candidate=named, head=head),
        graders=asked.graders,
        timeout=asked.timeout,
        evaluation=asked.evaluation,
    )
    say(f"Comparing on {len(rows)} {asked.split} rows that no model was tuned on")
    return await comparing.compare(loop, question, progress)


def suitability(loop: Loop, dataset: Dataset) -> dict[str, Json] | None:
    """What the doctor thinks of the task: `kind` "suitable" (a format, a manner, a fixed range of answers: what tuning
    teaches) or "knowledge" (facts, which it does not), `message`, `evidence`; None where it cannot tell."""
    rows = examined.of_dataset(loop.store.datasets.rows(dataset.id, "train"))
    for found in examination.examine(rows).overall:
        if found.code in ("suitable", "knowledge"):
            return {"kind": found.code, "message": found.message, "evidence": dict(found.evidence)}
    return None


def _candidate(tuned: Sequence[Arm]) -> str:
    """The one with the short prompt, which is the cheapest, where there is one."""
    names = [arm.name for arm in tuned]
    return SHORT if SHORT in names else LONG


def _arm(name: str, model: str, prompt: Prompt | None) -> Arm:
    arm = Arm(name=name, model=model, kind="tuned")
    return arm if prompt is None else comparing.with_prompt(arm, prompt)


def _trained(loop: Loop, asked: Question, wanted: tuple[str, Prompt | None, float], follow: Follow, say: Say) -> str:
    """The model of a job: what it is called, the prompt that it is tuned with, and on what share of the rows."""
    name, prompt, share = wanted
    what = name if share == 1 else f"{name}, {share:.0%} of the training rows"
    parts = [asked.dataset.name[:40], "short" if prompt else "", f"{100 * share:.0f}" if share < 1 else ""]
    recipe = Recipe(
        model=asked.base,
        suffix="-".join(filter(None, parts)),
        seed=asked.seed,
        hyperparameters=asked.hyperparameters,
        prompt=prompt,
        share=share,
    )
    digest = content_id("", [asdict(replace(recipe, prompt=None)), prompt and prompt.reference])
    job = _made_before(loop, asked.dataset, digest)
    if job is not None and job.status == "succeeded" and job.fine_tuned_model:
        say(f"{what}: tuned before ({job.fine_tuned_model})")
        return job.fine_tuned_model
    say(f"Tuning: {what}")
    job = follow(job or tuning.create(loop, asked.dataset, recipe, metadata={"recipe": digest}))
    if not job.fine_tuned_model:
        raise EngineError(f"the job {job.id} has left no model: {job.error}")
    return job.fine_tuned_model


def _made_before(loop: Loop, dataset: Dataset, digest: str) -> FineTuningJob | None:
    """The job that tunes the same from the same rows, if its model is still there or to be expected."""
    for job in loop.store.jobs.all(schema.jobs.c.dataset_id == dataset.id):
        if job.metadata.get("recipe") != digest or job.status not in _USEFUL:
            continue
        if job.fine_tuned_model is None or loop.store.models.find(job.fine_tuned_model):
            return job
    return None
