"""What a grader needs to grade: a model, a person, a program of somebody's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from tuneloop.graders.reading import whole
from tuneloop.graders.variables import fields_read
from tuneloop.types import Json

_MODELS = frozenset({"score_model", "label_model", "pairwise"})


def asks_model(grader: Json) -> bool:
    """Whether a model is asked: a judge, or one that makes embeddings."""
    return any(part.get("type") in _MODELS or part.get("evaluation_metric") == "cosine" for part in parts(grader))


def compares(grader: Json) -> bool:
    """Whether two answers to the same question are needed, of which a Log has one."""
    return any(part.get("type") == "pairwise" for part in parts(grader))


def asks_people(grader: Json) -> bool:
    """Whether people are asked."""
    return any(part.get("type") == "human" for part in parts(grader))


def unread(grader: Json, known: Collection[str]) -> str | None:
    """The first field of `item` that a grader's templates read and that is none of those that are known."""
    for part in parts(grader):
        for name in fields_read(whole(part)):
            if name not in known:
                return name
    return None


def parts(grader: Json) -> Iterator[Mapping[str, Json]]:
    """A grader's JSON, or the graders that it is made of."""
    if not isinstance(grader, Mapping):
        return
    inner = grader.get("graders")
    if grader.get("type") != "multi" or inner is None:
        yield grader
    elif isinstance(inner, list):
        for part in inner:
            yield from parts(part)
    elif isinstance(inner, Mapping):
        for part in [inner] if isinstance(inner.get("type"), str) else inner.values():
            yield from parts(part)
