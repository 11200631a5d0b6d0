"""Evaluations: asked for, followed, their reports."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop import types
from tuneloop.api.contract.words import Operation, Page


class Tune(TypedDict, total=False):
    """The trainings of a whole verdict."""

    #: a text, "prompt:NAME", "" for none; null takes the first sentence of the rows' own instructions
    short: str | None
    hyperparameters: dict[str, Any]
    seed: int | None
    curve: bool
    regression: bool


class CreateEvaluation(TypedDict):
    """What is compared, on which rows, and how it is graded."""

    dataset: str
    models: NotRequired[list[str]]
    base: NotRequired[str | None]
    shots: NotRequired[int]
    pick: NotRequired[Literal["random", "similar", "both"]]
    logged: NotRequired[bool]
    split: NotRequired[types.Split]
    rows: NotRequired[int | None]
    graders: NotRequired[list[str | dict[str, Any]]]
    concurrency: NotRequired[int]
    margin: NotRequired[float]
    level: NotRequired[float]
    baseline: NotRequired[str | None]
    candidate: NotRequired[str | None]
    max_dollars: NotRequired[float | None]
    timeout: NotRequired[float]
    tune: NotRequired[Tune | None]


class DeletedEvaluation(TypedDict):
    """What is said of a deleted evaluation."""

    id: str
    object: Literal["evaluation.deleted"]
    deleted: Literal[True]


_ALL, _ONE = "/v1/evaluations", "/v1/evaluations/{evaluation_id}"

OPERATIONS = (
    Operation("Tuneloop", "POST", _ALL, "Compare models, or tune and compare", CreateEvaluation, types.Evaluation),
    Operation("Tuneloop", "GET", _ALL, "What was compared, newest first", gives=Page[types.Evaluation]),
    Operation("Tuneloop", "GET", _ONE, "One of them", gives=types.Evaluation),
    Operation("Tuneloop", "POST", f"{_ONE}/cancel", "End one that is under way", gives=types.Evaluation),
    Operation("Tuneloop", "DELETE", _ONE, "Forget one with its answers", gives=DeletedEvaluation),
    Operation(
        "Tuneloop", "GET", f"{_ONE}/report", "Its report, to send around",
        writes=("text/html", "text/markdown"), note="`?form=html` or `markdown`",
    ),
)  # fmt: skip
