"""Batches: many calls as one file."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.words import ExpiresAfter, Field, Operation, Page


class CreateBatch(TypedDict):
    """Calls to be made at low priority."""

    input_file_id: str
    endpoint: Annotated[
        Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"],
        Field("works", "OpenAI's moderations, images and videos are refused"),
    ]
    completion_window: Literal["24h"]
    metadata: NotRequired[dict[str, str] | None]
    output_expires_after: NotRequired[ExpiresAfter]


class LineError(TypedDict):
    """What is wrong with a line of the input."""

    code: str | None
    line: int | None
    message: str
    param: str | None


class LineErrors(TypedDict):
    """What is wrong with the input."""

    object: Literal["list"]
    data: list[LineError]


class Counts(TypedDict):
    """Calls by what became of them."""

    total: int
    completed: int
    failed: int


class Batch(TypedDict):
    """Many calls as one file."""

    id: str
    object: Literal["batch"]
    endpoint: str
    model: str | None
    errors: LineErrors | None
    input_file_id: str
    completion_window: Literal["24h"]
    status: Literal[
        "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: Counts
    usage: dict[str, Any] | None
    metadata: dict[str, str] | None


OPERATIONS = (
    Operation("Batches", "POST", "/v1/batches", "Create a batch", CreateBatch, Batch),
    Operation("Batches", "GET", "/v1/batches", "List batches", gives=Page[Batch]),
    Operation("Batches", "GET", "/v1/batches/{batch_id}", "Retrieve a batch", gives=Batch),
    Operation("Batches", "POST", "/v1/batches/{batch_id}/cancel", "Cancel a batch", gives=Batch),
)
