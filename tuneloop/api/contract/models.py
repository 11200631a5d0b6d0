"""Models: what there is to call."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.words import EMPTY, Deleted, Operation, Page, works


class Model(TypedDict):
    """A model, or the name under which a deployed one answers."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    shutdown_date: Annotated[str | None, EMPTY]
    model: NotRequired[Annotated[str, works("Tuneloop's own: what answers under a deployed name")]]


class Version(TypedDict):
    """A version of a data set."""

    id: str
    name: str


class Judged(TypedDict):
    """What an evaluation says of a model."""

    id: str
    created_at: float
    quality: str
    interval: str
    verdict: str | None


class Place(TypedDict):
    """A name under which a model answers percent of the calls, or gets copies."""

    alias: str
    share: float
    shadow: bool


class Lineage(TypedDict):
    """Where a tuned model comes from."""

    object: Literal["model.lineage"]
    model: str
    base: str
    job: str | None
    dataset: Version | None
    origin: Annotated[str | None, works("what the data set was made of")]
    bytes: Annotated[int | None, works("of its files")]
    checkpoints: list[str]
    evaluations: list[Judged]
    answers: list[Place]


_MODEL = "/v1/models/{name}"

OPERATIONS = (
    Operation("Models", "GET", "/v1/models", "List models", gives=Page[Model]),
    Operation("Models", "GET", _MODEL, "Retrieve a model", gives=Model, note="`/` and `:` percent-encoded or not"),
    Operation("Tuneloop", "GET", f"{_MODEL}/lineage", "Where a tuned model comes from", gives=Lineage),
    Operation("Models", "DELETE", _MODEL, "Delete a tuned model", gives=Deleted, note="400 for a base model"),
)
