"""What a tuning will take, before there is a job."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.words import Operation, works


class CreateEstimate(TypedDict):
    """What would be tuned, on what and how."""

    dataset: str
    model: NotRequired[str | None]
    method: NotRequired[Literal["supervised", "dpo", "kto", "reinforcement"] | None]
    suffix: NotRequired[str | None]
    seed: NotRequired[int | None]
    prompt: NotRequired[str | None]
    hyperparameters: NotRequired[dict[str, Any] | None]
    measure: NotRequired[Annotated[bool | None, works("false: only what is known at once")]]


class Epochs(TypedDict, total=False):
    """Times through the rows, by how thorough it is."""

    quick: int
    usual: int
    thorough: int


class Estimate(TypedDict):
    """What is known before it begins; null is unknown."""

    object: Literal["estimate"]
    dataset: Annotated[str, works("the id of the version")]
    model: str
    method: str
    rows: int
    validation_rows: int
    epochs: Epochs
    problems: Annotated[list[str], works("what a job would be refused for, or fail of")]
    warnings: list[str]
    n_epochs: int | None
    steps: int | None
    seconds: float | None
    bytes: Annotated[int | None, works("most memory at a time")]
    dollars: Annotated[float | None, works("where this machine's price per hour is set")]


OPERATIONS = (
    Operation(
        "Tuneloop", "POST", "/v1/estimates", "What tuning will take, and what speaks against it",
        CreateEstimate, Estimate,
    ),
)  # fmt: skip
