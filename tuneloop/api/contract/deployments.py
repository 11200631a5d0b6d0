"""Deployments: which models answer under a name, with which shares of the calls."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop import types
from tuneloop.api.contract.words import Operation, Page


class Deploy(TypedDict):
    """What is to answer under a name: a model, or several with a share of the calls each."""

    alias: str
    model: NotRequired[str]
    note: NotRequired[str | None]
    #: id of an evaluation: only if its verdict is yes, for this model
    evaluation: NotRequired[str | None]
    #: in place of the callers' instructions; null is the Prompt that the model was tuned with, "" none
    prompt: NotRequired[str | None]
    #: percent of the calls by model, 100 together
    split: NotRequired[dict[str, float] | None]
    #: percent of the calls by model of which it gets a copy, answered for the log alone
    shadow: NotRequired[dict[str, float] | None]


class Promote(TypedDict):
    """Which of several models on trial."""

    model: NotRequired[str | None]


class Served(TypedDict):
    """How a model has answered: of its calls, or of copies of them."""

    model: str
    share: float
    shadow: bool
    calls: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None


class Traffic(TypedDict):
    """How models have answered under a name, `since` then."""

    object: Literal["deployment.traffic"]
    alias: str
    since: float
    models: list[Served]


_DEPLOYMENT = "/v1/deployments/{alias}"

OPERATIONS = (
    Operation("Tuneloop", "POST", "/v1/deployments", "Let models answer under a name", Deploy, types.Deployment),
    Operation("Tuneloop", "GET", "/v1/deployments", "What answers under which name", gives=Page[types.Deployment]),
    Operation("Tuneloop", "GET", f"{_DEPLOYMENT}/traffic", "How its models answered lately", gives=Traffic),
    Operation(
        "Tuneloop", "POST", f"{_DEPLOYMENT}/promote", "The model on trial answers all", Promote, types.Deployment
    ),
    Operation("Tuneloop", "POST", f"{_DEPLOYMENT}/rollback", "What was before answers again", gives=types.Deployment),
)
