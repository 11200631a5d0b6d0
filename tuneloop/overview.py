"""The loop in numbers, and the next sensible step in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tuneloop import filters
from tuneloop.examples import MIN_EXAMPLES
from tuneloop.filters import All, Condition
from tuneloop.loop import Loop
from tuneloop.store import schema
from tuneloop.types import FINAL_STATUSES, Evaluation, FineTuningJob

#: answers that people like which are enough to begin with
ENOUGH = 50
#: the calls that a first data set is made of
GOOD = "score.rating in (good, true, 1) or corrected"
#: evaluations looked at for one of a model: reports are large
_LOOKED_AT = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What to do next: why, the command that does it (None where no command of ours does), and the page."""

    name: str
    sentence: str
    command: str | None = None
    page: str = "/logs"


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """Where the loop stands."""

    calls: int
    #: calls with at least one score
    scored: int
    #: data sets, by their names
    datasets: int
    jobs: int
    #: jobs that wait or train
    unfinished: int
    #: tuned models
    models: int
    #: the model that answers under each alias
    live: Mapping[str, str]
    #: dollars that tuned models have saved, at least: what the models before them would have cost for the same calls;
    #: None where no price is known
    saved: float | None
    next: Step


def look(loop: Loop) -> Overview:
    """The loop as it stands now."""
    store = loop.store
    live = store.deployments.live()
    datasets = {dataset.name for dataset in store.datasets.all()}
    jobs = store.jobs.all()
    unfinished = [job for job in jobs if job.status not in FINAL_STATUSES]
    return Overview(
        calls=(calls := store.logs.count(All(()))),
        scored=store.scores.logs(),
        datasets=len(datasets),
        jobs=len(jobs),
        unfinished=len(unfinished),
        models=len(store.models.all(schema.models.c.kind == "tuned")),
        live=live,
        saved=saved(loop, live),
        next=_next(loop, calls, sorted(datasets), jobs, unfinished),
    )


def saved(loop: Loop, live: Mapping[str, str]) -> float | None:
    """Dollars that the tuned models which answer under aliases have saved so far: for the tokens that they read and
    wrote, what the model that answered there before (or that the alias names) costs, less what they did."""
    total: float | None = None
    for alias, model in live.items():
        if loop.store.models.find(model) is None:
            continue
        before = next((d.model for d in loop.store.deployments.history(alias) if d.model != model), alias)
        answered = (
            Condition(field="model", op="=", values=(alias,)),
            Condition(field="served_by", op="=", values=(model,)),
        )
        for used in loop.store.logs.usage(filters.given(All(answered))):
            instead = loop.prices.cost(None, before, used.prompt_tokens, used.completion_tokens)
            if instead is not None:
                total = (total or 0.0) + instead - used.cost
    return total


def _next(
    loop: Loop, calls: int, datasets: list[str], jobs: list[FineTuningJob], unfinished: list[FineTuningJob]
) -> Step:
    if not calls:
        return Step(name="log", sentence="Point your application's OpenAI client here: every call is kept.")
    if not datasets:
        return _score_or_collect(loop)
    if not jobs:
        sentence = "There is a data set, and nothing was tuned on it yet: a small model can learn it."
        return Step(
            name="tune",
            sentence=sentence,
            command=f"tuneloop tune {datasets[0]}",
            page=_at("/tune", dataset=datasets[0]),
        )
    if unfinished:
        sentence = "A model is being tuned."
        return Step(
            name="watch",
            sentence=sentence,
            command=f"tuneloop jobs show {unfinished[0].id}",
            page=f"/jobs/{unfinished[0].id}",
        )
    tuned = next((job for job in jobs if job.fine_tuned_model and loop.store.models.find(job.fine_tuned_model)), None)
    if tuned is None:
        sentence = "The last job has left no model; its error says why."
        return Step(
            name="mend", sentence=sentence, command=f"tuneloop jobs show {jobs[0].id}", page=f"/jobs/{jobs[0].id}"
        )
    return _compare_or_deploy(loop, str(tuned.fine_tuned_model), tuned.metadata.get("dataset", datasets[0]))


def _score_or_collect(loop: Loop) -> Step:
    good = loop.store.logs.count(filters.parse(GOOD))
    if good < MIN_EXAMPLES:
        sentence = f"{good} answers are rated good or corrected; {ENOUGH} are enough to begin with. Rate some more."
        return Step(name="score", sentence=sentence, command="tuneloop feedback LOG good", page="/review")
    sentence = f"{good} answers are rated good or corrected: make a data set of them."
    return Step(
        name="collect",
        sentence=sentence,
        command=f'tuneloop datasets create mine --where "{GOOD}"',
        page=_at("/logs", where=GOOD),
    )


def _compare_or_deploy(loop: Loop, model: str, dataset: str) -> Step:
    newest, _ = loop.store.evaluations.page(limit=_LOOKED_AT)
    compared = [one for one in newest if model in _models(one)]
    if not compared:
        sentence = f"{model} is tuned. Is it good enough to take over?"
        return Step(
            name="compare",
            sentence=sentence,
            command=f"tuneloop evaluate {dataset} {model}",
            page=_at("/compare", dataset=dataset, model=model),
        )
    if model in loop.store.deployments.live().values():
        sentence = "The tuned model answers. Go on rating: what it gets wrong is what the next one learns from."
        return Step(
            name="again",
            sentence=sentence,
            command='tuneloop logs list --where "not scored"',
            page=_at("/review", where="not scored"),
        )
    answer = (compared[0].report.get("verdict") or {}).get("answer")
    if answer == "yes":
        sentence = "The verdict is yes: let the tuned model answer under the name that your application calls."
        return Step(
            name="deploy",
            sentence=sentence,
            command=f"tuneloop deploy {dataset} {model}",
            page=_at("/models", deploy=model, evaluation=compared[0].id),
        )
    sentence = "The verdict is not yes. It says why, and what would help."
    return Step(
        name="read",
        sentence=sentence,
        command=f"tuneloop evaluations show {compared[0].id}",
        page=f"/compare/{compared[0].id}",
    )


def _at(page: str, **query: str) -> str:
    return f"{page}?{urlencode(query)}"


def _models(evaluation: Evaluation) -> set[str]:
    return {arm["model"] for arm in evaluation.report.get("arms", ())}
