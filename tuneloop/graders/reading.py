"""From a grader's JSON to a Grader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from tuneloop.graders import caching, calibration, fields
from tuneloop.graders.caching import Cache
from tuneloop.graders.grading import Ask, Grader, RunPython, Score
from tuneloop.graders.human import People, human
from tuneloop.graders.json_check import json_check, mode_of
from tuneloop.graders.judges import label_model, score_model
from tuneloop.graders.label_check import label_check
from tuneloop.graders.metrics import METRICS
from tuneloop.graders.multi import multi
from tuneloop.graders.pairwise import QUESTION, pairwise
from tuneloop.graders.python import python
from tuneloop.graders.regex_check import regex_check
from tuneloop.graders.similarity import text_similarity
from tuneloop.graders.sql import sql
from tuneloop.graders.string_check import string_check
from tuneloop.types import Json


class _Means(NamedTuple):
    """What graders are handed."""

    ask: Ask | None
    run_python: RunPython | None
    people: People | None
    cache: Cache | None


_Reader = Callable[[Mapping[str, Json], str, _Means], Score]

_ANSWER = {"input": "{{sample.output_text}}"}
_REFERENCE = {"reference": "{{item.reference}}"}
#: what a grader of ours means where it does not say
DEFAULTS: Mapping[str, Mapping[str, Json]] = {
    "json": _ANSWER,
    "label": {**_ANSWER, **_REFERENCE},
    "regex": {**_ANSWER, "mode": "search"},
    "sql": {**_ANSWER, "setup": "{{item.setup}}"},
    "pairwise": {"input": QUESTION},
    "human": {**_ANSWER, "context": "{{item.input}}", "question": "Is this a good answer?"},
}
_LABELS = {"labels": ["good", "bad"], "passing_labels": ["good"]}


def read(
    grader: Json,
    *,
    ask: Ask | None = None,
    run_python: RunPython | None = None,
    people: People | None = None,
    cache: Cache | None = None,
    param: str = "grader",
) -> Grader:
    """A Grader of its JSON: one of OpenAI's kinds, or of ours. Raises InvalidInput; its `param` begins with `param`.

    `ask` reaches the models of score_model, label_model, pairwise and cosine, `run_python` runs python graders,
    `people` knows what people said; without them such a grader can be checked, and fails when it grades. `cache` keeps
    what took a model or a process.
    """
    return _read(grader, param, _Means(ask, run_python, people, cache))


def _read(grader: Json, param: str, means: _Means) -> Grader:
    given = fields.mapping(grader, param)
    kind = fields.choice(given, "type", param, TYPES)
    name = fields.text(given, "name", param, empty=False)
    complete = whole(given)
    score = _READERS[kind](complete, param, means)
    if means.cache is not None and caching.is_costly(complete):
        score = caching.cached(score, complete, means.cache)
    if given.get("calibration") is not None:
        score = calibration.calibrated(score, given["calibration"], f"{param}.calibration")
    return Grader(name=name, type=kind, score=score, binary=_is_binary(kind, complete), definition=given)


def whole(given: Mapping[str, Json]) -> dict[str, Json]:
    """A grader's JSON with what it leaves unsaid; those that a multi grader is made of are left as they are."""
    kind = given.get("type")
    found = {**DEFAULTS.get(str(kind), {}), **{name: value for name, value in given.items() if value is not None}}
    if kind == "human" and "range" not in found:
        found = {**_LABELS, **found}
    if kind == "json" and found.get("mode") in ("exact", "fields"):
        found = {**_REFERENCE, **found}
    if kind == "sql" and found.get("mode") == "equal":
        found = {**_REFERENCE, **found}
    return found


def _is_binary(kind: str, grader: Mapping[str, Json]) -> bool:
    """Whether a grader that was read can give nothing but 0 and 1."""
    if grader.get("calibration") is not None:
        return False
    match kind:
        case "text_similarity":
            metric = METRICS.get(grader["evaluation_metric"])
            return metric is not None and metric.binary
        case "json":
            return bool(mode_of(grader) != "fields")
        case "human":
            return "range" not in grader
        case "label_model":
            return "swap" not in grader
    return kind in ("string_check", "label", "regex", "sql")


def _multi(grader: Mapping[str, Json], param: str, means: _Means) -> Score:
    return multi(grader, param, partial(_read, means=means))


_READERS: Mapping[str, _Reader] = {
    "string_check": lambda grader, param, means: string_check(grader, param),
    "text_similarity": lambda grader, param, means: text_similarity(grader, param, means.ask),
    "python": lambda grader, param, means: python(grader, param, means.run_python),
    "score_model": lambda grader, param, means: score_model(grader, param, means.ask),
    "label_model": lambda grader, param, means: label_model(grader, param, means.ask),
    "multi": _multi,
    "json": lambda grader, param, means: json_check(grader, param),
    "label": lambda grader, param, means: label_check(grader, param),
    "regex": lambda grader, param, means: regex_check(grader, param),
    "sql": lambda grader, param, means: sql(grader, param),
    "pairwise": lambda grader, param, means: pairwise(grader, param, means.ask),
    "human": lambda grader, param, means: human(grader, param, means.people),
}
TYPES = tuple(_READERS)
