"""What is asked of an evaluation over HTTP: the fields of the request, their defaults, and what they mean here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from tuneloop import comparing, datasets, fields, graders, grading, prompts, verdicts
from tuneloop.comparing import Comparison, Pick, Sides
from tuneloop.errors import InvalidInput
from tuneloop.evaluations import Terms
from tuneloop.graders.fields import number
from tuneloop.loop import Loop
from tuneloop.prompt_types import Prompt
from tuneloop.types import SPLITS, Dataset, Json, Split
from tuneloop.verdicts import Question

_PICKS = (*get_args(Pick), "both")
#: fields of the request, and what stands for those that are left out
_DEFAULTS: Mapping[str, Json] = {
    "dataset": None,
    "models": [],
    "base": None,
    "shots": 5,
    "pick": "random",
    "logged": False,
    "split": "test",
    "rows": None,
    "graders": [],
    "concurrency": 4,
    "margin": 0.02,
    "level": 0.95,
    "baseline": None,
    "candidate": None,
    "max_dollars": None,
    "timeout": 120.0,
    "tune": None,
}
_TUNE: Mapping[str, Json] = {
    "short": None,
    "hyperparameters": {},
    "seed": 0,
    "curve": True,
    "regression": True,
}


def whole(body: Mapping[str, Json]) -> dict[str, Json]:
    """The request with every field. Raises InvalidInput for one that there is not."""
    found = _filled(body, _DEFAULTS, "")
    if found["tune"] is not None:
        found["tune"] = _filled(fields.typed(found["tune"], dict, "tune"), _TUNE, "tune.")
    return found


def comparison(loop: Loop, asked: Mapping[str, Json]) -> Comparison:
    """Models that are there, compared. Raises InvalidInput, NotFound, ModelNotFound."""
    dataset = _dataset(loop, asked)
    rows = comparing.held_out(loop, dataset, _split(asked), _rows(asked))
    pick = fields.one_of(asked, "pick", _PICKS)
    sides = Sides(
        models=_texts(asked, "models"),
        base=_text(asked, "base"),
        shots=fields.whole(asked, "shots", 0, 100),
        picks=get_args(Pick) if pick == "both" else (pick,),
        logged=fields.typed(asked["logged"], bool, "logged"),
    )
    if not sides.models and not sides.logged:
        raise InvalidInput("name 'models' to compare with the prompted one, or ask to 'tune'", param="models")
    return Comparison(
        dataset=dataset,
        arms=comparing.arms(loop, dataset, sides, rows),
        rows=rows,
        terms=_terms(asked),
        graders=_graders(loop, asked),
        timeout=number(asked["timeout"], "timeout", 0.1, 86_400),
    )


def question(loop: Loop, asked: Mapping[str, Json]) -> Question:
    """A whole verdict, with its trainings. Raises InvalidInput, NotFound, ModelNotFound."""
    dataset, tune = _dataset(loop, asked), asked["tune"]
    split = _split(asked)
    comparing.held_out(loop, dataset, split, _rows(asked))
    base = _text(asked, "base") or loop.settings.base_model
    if loop.tunable(base) is None:
        raise InvalidInput(f"{base!r} cannot be tuned here: name a base model or one tuned here", param="base")
    against = _texts(asked, "models")
    comparing.arms(loop, dataset, Sides(models=against, base=base, shots=0))  # that they are there
    return Question(
        dataset=dataset,
        split=split,
        base=base,
        short=_short(loop, dataset, tune["short"]),
        against=against,
        shots=fields.whole(asked, "shots", 0, 100),
        logged=fields.typed(asked["logged"], bool, "logged"),
        curve=fields.typed(tune["curve"], bool, "tune.curve"),
        regression=fields.typed(tune["regression"], bool, "tune.regression"),
        rows=_rows(asked),
        seed=None if tune["seed"] is None else fields.typed(tune["seed"], int, "tune.seed"),
        hyperparameters=fields.typed(tune["hyperparameters"], dict, "tune.hyperparameters"),
        graders=_graders(loop, asked),
        terms=_terms(asked),
        timeout=number(asked["timeout"], "timeout", 0.1, 86_400),
    )


def _filled(given: Mapping[str, Json], defaults: Mapping[str, Json], where: str) -> dict[str, Json]:
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        known = ", ".join(defaults)
        raise InvalidInput(
            f"Unknown parameter: '{where}{unknown[0]}'. There are: {known}.",
            param=where + unknown[0],
            code="unknown_parameter",
        )
    return {**defaults, **{name: value for name, value in given.items() if value is not None}}


def _dataset(loop: Loop, asked: Mapping[str, Json]) -> Dataset:
    return loop.store.datasets.named(fields.text(asked, "dataset"))


def _split(asked: Mapping[str, Json]) -> Split:
    fields.one_of(asked, "split", SPLITS)
    return datasets.parse_split(asked["split"], "split")


def _rows(asked: Mapping[str, Json]) -> int | None:
    return None if asked["rows"] is None else fields.whole(asked, "rows", 1, 10**9)


def _text(asked: Mapping[str, Json], name: str) -> str | None:
    return None if asked[name] is None else fields.text(asked, name)


def _texts(asked: Mapping[str, Json], name: str) -> list[str]:
    found: list[str] = fields.typed(asked[name], list, name)
    return [fields.text({f"{name}[{index}]": one}, f"{name}[{index}]") for index, one in enumerate(found)]


def _terms(asked: Mapping[str, Json]) -> Terms:
    limit = asked["max_dollars"]
    return Terms(
        concurrency=fields.whole(asked, "concurrency", 1, 256),
        max_dollars=None if limit is None else number(limit, "max_dollars", 0),
        margin=number(asked["margin"], "margin", 0, 0.999),
        level=number(asked["level"], "level", 0.5, 0.999),
        baseline=_text(asked, "baseline"),
        candidate=_text(asked, "candidate"),
    )


def _graders(loop: Loop, asked: Mapping[str, Json]) -> list[Any]:
    """The JSON of graders by what names them: a metric, one that is kept, or their JSON itself."""
    found: list[Any] = []
    for index, given in enumerate(fields.typed(asked["graders"], list, "graders")):
        is_metric = isinstance(given, str) and given in graders.METRICS
        one = graders.of_metric(given) if is_metric else grading.resolve(loop.store, given, f"graders[{index}]")
        graders.read(one, param=f"graders[{index}]")
        found.append(one)
    return found


def _short(loop: Loop, dataset: Dataset, given: Json) -> Prompt | None:
    """The short prompt by its text or its name ("prompt:support@2"); by default the first sentence of the rows' own,
    and none for ""."""
    if given is None:
        return verdicts.default_short(loop, dataset)
    text: str = fields.typed(given, str, "tune.short")
    if text.startswith("prompt:"):
        return prompts.find(loop.store, text.removeprefix("prompt:"), param="tune.short")
    return verdicts.save_short(loop, dataset, text) if text else None
