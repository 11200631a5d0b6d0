"""Results by content: what was judged once is not judged, nor paid, again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from tuneloop.graders.grading import GradingFailed, Score, Verdict
from tuneloop.graders.templates import look_up
from tuneloop.graders.variables import paths
from tuneloop.types import Json

#: say who a grader is, or what is made of its score, not what it says
_ASIDE = frozenset({"name", "version", "pass_threshold", "calibration"})
#: kinds that take a model or a process; the others take less than looking up what they said
COSTLY = frozenset({"score_model", "label_model", "pairwise", "python"})


class Cache(Protocol):
    """Keeps results of graders. May be asked from several threads at once."""

    def get(self, key: str) -> Mapping[str, Json] | None:
        """What was put under a key, or None."""
        ...

    def put(self, key: str, result: Mapping[str, Json]) -> None:
        """Keep a result; one that is there already may stay."""
        ...


def is_costly(grader: Mapping[str, Json]) -> bool:
    """Whether a grader's results are worth keeping."""
    return grader["type"] in COSTLY or grader.get("evaluation_metric") == "cosine"


def cached(score: Score, grader: Mapping[str, Json], cache: Cache) -> Score:
    """The same score, asked for at most once for the same content. Failures are not kept. A result that was kept took
    nothing: it has no usage."""

    def looked_up(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        key = key_of(grader, item, sample)
        kept = cache.get(key)
        if kept is not None:
            return Verdict(**kept)
        verdict = score(item, sample)
        if not verdict.failures:
            cache.put(key, _kept(verdict))
        return verdict

    return looked_up


def key_of(grader: Mapping[str, Json], item: Mapping[str, Json], sample: Mapping[str, Json]) -> str:
    """The hash of a grader and of what it reads of item and sample; of all of them where it is a program."""
    definition = {name: value for name, value in grader.items() if name not in _ASIDE}
    read: Json = [item, sample]
    if grader["type"] != "python":
        exchanged = ("item.other", "sample.output_text") if grader.get("swap") or grader["type"] == "pairwise" else ()
        read = {path: _value(path, item, sample) for path in (*paths(definition), *exchanged)}
    written = json.dumps([definition, read], sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def _value(path: str, item: Mapping[str, Json], sample: Mapping[str, Json]) -> Json:
    try:
        return look_up(path, item, sample)
    except GradingFailed as error:
        return {"missing": error.failure.details}


def _kept(verdict: Verdict) -> dict[str, Any]:
    return {
        "reward": verdict.reward,
        "sub_rewards": dict(verdict.sub_rewards),
        "model": verdict.model,
        "sample": verdict.sample,
        "notes": dict(verdict.notes),
    }
