"""What tuning on a data set will take here, and what speaks against it: known before a job is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import orjson

from tuneloop import datasets, fields, finetuning, methods, prompts, tuning
from tuneloop.errors import InvalidInput, TuneloopError, Unavailable
from tuneloop.loop import Loop
from tuneloop.measured import Unwanted
from tuneloop.protocols import Method
from tuneloop.store import schema
from tuneloop.tuning import Needs, Recipe
from tuneloop.types import Dataset, Json

#: how often the rows are gone through, in a word
Care = Literal["quick", "usual", "thorough"]
CARES: tuple[Care, ...] = get_args(Care)
#: times what "auto" takes
_TIMES: Mapping[Care, float] = {"quick": 1 / 3, "usual": 1, "thorough": 2}
_MOST_EPOCHS = 50

#: hyperparameters that a run's time and memory do not depend on, or in a way that is known
_INDIFFERENT = frozenset(
    {"n_epochs", "learning_rate_multiplier", "schedule", "warmup", "weight_decay", "patience", "beta", "grader"}
)
#: validation rows that are looked at before a measurement; more of them would take longer than it does, and to look at
#: a tenth of the rows after each epoch is some hundredths of the time
_MOST_LOOKED_AT = 64
_FIELDS = ("dataset", "model", "method", "suffix", "seed", "prompt", "hyperparameters", "measure")


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """What is known of a tuning before it begins. What is not known is None."""

    #: id of the Dataset
    dataset: str
    model: str
    method: Method
    #: what the method learns from in the train split (rows, pairs, prompts), and rows that choose the best epoch
    rows: int
    validation_rows: int
    #: the number for each Care
    epochs: Mapping[str, int]
    #: what a job would be refused for, or fail of
    problems: Sequence[str] = ()
    #: what its owner should know
    warnings: Sequence[str] = ()
    n_epochs: int | None = None
    steps: int | None = None
    #: from the first step to the last
    seconds: float | None = None
    #: most memory at a time
    bytes: int | None = None
    #: only where this machine's price per hour is set
    dollars: float | None = None


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the train split has for a method."""

    count: int
    #: why that is too little
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a measurement came to: needs, or why there are none."""

    needs: Needs | None = None
    problems: Sequence[str] = field(default=())
    warnings: Sequence[str] = field(default=())


def look(loop: Loop, dataset: Dataset, recipe: Recipe) -> Estimate:
    """What is known without measuring anything: at most as long as it takes to read the rows."""
    rows = _rows(loop, dataset, recipe)
    problems = [*_faults(loop, dataset, recipe), *([rows.fault] if rows.fault else [])]
    validation = dataset.counts.get("validation", 0)
    if not validation and recipe.method != "reinforcement" and recipe.hyperparameters.get("grader"):
        problems.append("A grader picks the best epoch by validation rows, and this data set has none")
    known = Estimate(
        dataset=dataset.id,
        model=recipe.model or loop.settings.base_model,
        method=recipe.method,
        rows=rows.count,
        validation_rows=validation,
        epochs={care: epochs(recipe.method, rows.count, care) for care in CARES} if rows.count else {},
        problems=problems,
        warnings=[*datasets.warnings(dataset), *_grading(recipe, validation)],
    )
    found = None if problems else loop.measured.find(_key(loop, dataset, recipe))
    return known if found is None else _with(known, found, loop, recipe)


def measure(loop: Loop, dataset: Dataset, recipe: Recipe, *, wanted: Callable[[], bool] = lambda: True) -> Estimate:
    """The same with time, memory and cost, measured by the first steps of a training process: that takes seconds, and
    is kept. Raises Unwanted when it is no longer `wanted`."""
    known = look(loop, dataset, recipe)
    if known.problems or known.seconds is not None:
        return known
    reason = _unmeasurable(loop, recipe)
    if reason is not None:
        return replace(known, warnings=[*known.warnings, reason])
    found = loop.measured.get(_key(loop, dataset, recipe), lambda: _measure(loop, dataset, recipe, wanted), wanted)
    return _with(known, found, loop, recipe)


def epochs(method: Method, rows: int, care: Care) -> int:
    """How often so many rows are gone through."""
    usual = methods.usual_epochs(method, rows, methods.usual_batch(rows))
    return max(1, min(_MOST_EPOCHS, round(usual * _TIMES[care])))


def duration(seconds: float) -> str:
    """A time in words, as exactly as anybody wants to know it: "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def memory(size: float) -> str:
    """Bytes in words: "2.8 GiB"."""
    return f"{size / 2**30:.1f} GiB"


def of_request(loop: Loop, body: Mapping[str, Json]) -> Estimate:
    """The estimate that a request asks for. Raises InvalidInput and NotFound."""
    for name in body:
        if name not in _FIELDS:
            there = ", ".join(_FIELDS)
            message = f"Unknown parameter: '{name}'. There are: {there}."
            raise InvalidInput(message, param=name, code="unknown_parameter")
    dataset = loop.store.datasets.named(fields.text(body, "dataset"))
    recipe = read_recipe(loop, body)
    return measure(loop, dataset, recipe) if _given(body, "measure", bool) is not False else look(loop, dataset, recipe)


def read_recipe(loop: Loop, body: Mapping[str, Json]) -> Recipe:
    """A recipe of its fields. Raises InvalidInput and NotFound."""
    method = body.get("method") or "supervised"
    if method not in methods.METHODS:
        offered = ", ".join(map(repr, methods.METHODS))
        raise InvalidInput(f"unknown method {method!r}; 'method' must be one of {offered}", param="method")
    prompt = _given(body, "prompt", str)
    return Recipe(
        method=method,
        model=_given(body, "model", str),
        suffix=_given(body, "suffix", str),
        seed=_given(body, "seed", int),
        hyperparameters=_given(body, "hyperparameters", dict) or {},
        prompt=prompts.find(loop.store, prompt, param="prompt") if prompt else None,
    )


def _given(body: Mapping[str, Json], name: str, kind: type) -> Any:
    value = body.get(name)
    return None if value is None else fields.typed(value, kind, name)


def _faults(loop: Loop, dataset: Dataset, recipe: Recipe) -> list[str]:
    if recipe.method == "reinforcement" and not recipe.hyperparameters.get("grader"):
        return ["Reinforcement needs a grader, whose grades are what it learns from"]
    asked = tuning.asked(loop, dataset, recipe)
    return [fault.message for fault in finetuning.faults(loop.store, asked, tunable=loop.tunable)]


def _rows(loop: Loop, dataset: Dataset, recipe: Recipe) -> _Rows:
    """Counted once: a data set does not change."""
    key = (dataset.id, recipe.method, recipe.share)
    known: _Rows | None = loop.measured.find(key)
    if known is not None:
        return known
    rows = tuning.rows_of(loop, dataset, "train", recipe)
    found = _Rows(sum(len(datasets.training_rows(row, recipe.method)) for row in rows))
    try:
        datasets.check_enough(dataset, tuning.rows_of(loop, dataset, "train", recipe), recipe.method)
    except InvalidInput as error:
        found = replace(found, fault=error.message)
    loop.measured.keep(key, found)
    return found


def _grading(recipe: Recipe, validation: int) -> Iterator[str]:
    if validation and recipe.method != "reinforcement" and recipe.hyperparameters.get("grader"):
        yield f"to write {validation} answers for the grader after each epoch takes time on top of what is said here"


def _key(loop: Loop, dataset: Dataset, recipe: Recipe) -> tuple[str, ...]:
    """What a measurement depends on."""
    told = {name: value for name, value in recipe.hyperparameters.items() if name not in _INDIFFERENT}
    prompt = recipe.prompt.id if recipe.prompt else ""
    model = str(loop.tunable(recipe.model or loop.settings.base_model))
    shown = orjson.dumps(told, option=orjson.OPT_SORT_KEYS, default=str).decode()
    return dataset.id, model, recipe.method, prompt, f"{recipe.share:g}", shown


def _unmeasurable(loop: Loop, recipe: Recipe) -> str | None:
    """Why nothing can be measured beforehand, in words."""
    if recipe.method == "reinforcement":
        return "How long reinforcement takes is measured when it begins: it draws answers first"
    base = loop.tunable(recipe.model or loop.settings.base_model)
    if loop.store.models.find(str(base)) or base in {model.name for model in loop.model_store.list()}:
        return None
    return f"{base} is not on this machine yet: the job brings it first, and then measures how long it takes"


def _measure(loop: Loop, dataset: Dataset, recipe: Recipe, wanted: Callable[[], bool]) -> _Found:
    request = tuning.asked(loop, dataset, recipe)
    _, told = methods.read(finetuning.with_graders(loop.store, request))
    told = {name: value for name, value in told.items() if name != "grader"}
    few = dataset.counts.get("validation", 0) <= _MOST_LOOKED_AT
    validation = tuning.rows_of(loop, dataset, "validation", recipe) if few else ()
    try:
        needs = tuning.foresee(
            loop,
            tuning.lines(tuning.rows_of(loop, dataset, "train", recipe), recipe),
            loop.tunable(request["model"]),
            validation=tuning.lines(validation, recipe),
            wanted=wanted,
            **{**told, "method": recipe.method, "n_epochs": "auto"},
        )
        busy = loop.store.jobs.all(schema.jobs.c.status == "running")
        slowed = "A job was training while this was measured: alone it is faster"
        return _Found(needs, warnings=(slowed,) if busy else ())
    except InvalidInput as error:
        return _Found(problems=(error.message,))
    except (TuneloopError, OSError) as error:
        if not wanted():
            raise Unwanted from error
        said = error.message if isinstance(error, Unavailable) else str(error)
        return _Found(warnings=(f"It could not be measured how long it takes: {said}",))


def _with(known: Estimate, found: _Found, loop: Loop, recipe: Recipe) -> Estimate:
    problems, warnings = [*known.problems, *found.problems], [*known.warnings, *found.warnings]
    if found.needs is None:
        return replace(known, problems=problems, warnings=warnings)
    given = recipe.hyperparameters.get("n_epochs")
    n_epochs = given if isinstance(given, int) else found.needs.epochs
    share = n_epochs / found.needs.epochs
    seconds = found.needs.seconds * share
    return replace(
        known,
        problems=problems,
        warnings=warnings,
        n_epochs=n_epochs,
        steps=round(found.needs.steps * share),
        seconds=seconds,
        bytes=found.needs.bytes,
        dollars=loop.prices.machine_cost(seconds),
    )
