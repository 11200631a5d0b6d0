"""What somebody wants tuned, as the page's URL holds it: what there is to choose from, and what the choices come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from tuneloop import estimates
from tuneloop.estimates import CARES, Estimate
from tuneloop.graders import METRICS
from tuneloop.loop import Loop
from tuneloop.model_store import KNOWN_MODELS
from tuneloop.tuning import Recipe
from tuneloop.types import Dataset, FineTuningJob
from tuneloop.ui import tune_fields

Query = Mapping[str, str]
#: most that are offered of a kind
_OFFERED = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """What there is to choose from: values, and what is shown for each."""

    #: names, the newest first; an older version by its id if the URL asks for that
    datasets: Mapping[str, str]
    models: Mapping[str, str]
    prompts: Mapping[str, str]
    #: for the best epoch
    graders: Mapping[str, str]
    #: names of those that are kept
    kept: Sequence[str]
    #: the model that is meant where none is named
    usual: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is wanted, and what is known of it."""

    dataset: Dataset
    recipe: Recipe
    estimate: Estimate


def shelf(loop: Loop, query: Query) -> Shelf:
    """All that is here, and what the URL names beside."""
    kept = [grader.name for grader in loop.store.graders.newest(limit=_OFFERED)[0]]
    prompts = {one.name: one.reference for one in loop.store.prompts.newest(limit=_OFFERED)[0]}
    if (prompt := query.get("prompt")) and prompt not in prompts:
        prompts[prompt] = prompt
    metrics = {name: name.replace("_", " ") for name in METRICS}
    return Shelf(
        datasets=_datasets(loop, query.get("dataset")),
        models=_models(loop, query.get("model")),
        prompts={"": "The rows' own instructions"} | prompts,
        graders={"": "The lowest loss"} | metrics | {name: name for name in kept},
        kept=kept,
        usual=loop.settings.base_model,
    )


def wish(loop: Loop, query: Query, *, measured: bool = False, wanted: Callable[[], bool] = lambda: True) -> Wish:
    """What a URL comes to; `measured` with time and memory, which takes seconds. Raises InvalidInput, NotFound, and
    Unwanted."""
    dataset = loop.store.datasets.named(query.get("dataset", ""))
    method = query.get("method", "supervised")
    asked: dict[str, Any] = {name: query[name] for name in ("model", "method", "prompt") if query.get(name)}
    asked["suffix"] = query.get("name")
    asked["seed"] = tune_fields.number(query["seed"], "Seed") if query.get("seed") else None
    asked["hyperparameters"] = tune_fields.hyperparameters(method, query)
    recipe = estimates.read_recipe(loop, asked)
    known = estimates.look(loop, dataset, recipe)
    care = query.get("care")
    if care in CARES and care != "usual" and known.epochs and "n_epochs" not in recipe.hyperparameters:
        recipe = replace(recipe, hyperparameters={**recipe.hyperparameters, "n_epochs": known.epochs[care]})
        known = estimates.look(loop, dataset, recipe)
    if measured:
        known = estimates.measure(loop, dataset, recipe, wanted=wanted)
    return Wish(dataset=dataset, recipe=recipe, estimate=known)


def again(job: FineTuningJob, **other: str) -> str | None:
    """The URL that is filled in with what a job was made with, `other` things excepted; None of one that was made of
    files alone."""
    if job.dataset_id is None:
        return None
    given = {name: value for name, value in job.hyperparameters.items() if value not in ("auto", "default", None)}
    reward = job.method.get("reinforcement", {}).get("grader")
    said = {
        "dataset": job.dataset_id,
        "model": job.model,
        "name": job.suffix or "",
        "method": "" if job.method["type"] == "supervised" else job.method["type"],
        "prompt": job.metadata.get("prompt", ""),
        **{name: _text(value) for name, value in (given | ({"grader": reward} if reward else {})).items()},
        **other,
    }
    return "/tune?" + urlencode({name: value for name, value in said.items() if value})


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, dict):
        return tune_fields.as_json(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _datasets(loop: Loop, named: str | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for dataset in loop.store.datasets.all():
        found.setdefault(dataset.name, f"{dataset.name} · {sum(dataset.counts.values()):,} rows")
    if named and named not in found and (older := loop.store.datasets.find(named)):
        newest = loop.store.datasets.named(older.name)
        which = "this version" if newest.id == older.id else "an older version"
        found[named] = f"{older.name} · {sum(older.counts.values()):,} rows, {which}"
    return found


def _models(loop: Loop, named: str | None) -> dict[str, str]:
    catalog = loop.routes.catalog()
    here = {model.name for model in loop.model_store.list()}
    found = {name: name if name in here else f"{name} · is brought first" for name in sorted(catalog.base)}
    for name in KNOWN_MODELS:
        found.setdefault(name, f"{name} · is brought first")
    tuned = sorted(catalog.tuned.values(), key=lambda model: -model.created_at)
    found |= {model.id: f"{model.id} · goes on from it" for model in tuned[:_OFFERED] if ":ckpt-step-" not in model.id}
    if named and named not in found and loop.tunable(named):
        found[named] = named
    return found
