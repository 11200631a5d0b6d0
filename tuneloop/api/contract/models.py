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


_MODEL = "/v1/models/{name}"

OPERATIONS = (
    Operation("Models", "GET", "/v1/models", "List models", gives=Page[Model]),
    Operation("Models", "GET", _MODEL, "Retrieve a model", gives=Model, note="`/` and `:` percent-encoded or not"),
    Operation("Models", "DELETE", _MODEL, "Delete a tuned model", gives=Deleted, note="400 for a base model"),
)
