"""The words in which the contract is written down: operations, and what becomes of each field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

T = TypeVar("T")

JSON = "application/json"
EVENTS = "text/event-stream"

Group = Literal[
    "Files", "Uploads", "Fine-tuning", "Chat", "Completions", "Embeddings", "Responses", "Models", "Batches",
    "Graders", "Evals", "Traces", "Tuneloop",
]  # fmt: skip

#: works: as OpenAI has it; ignored: accepted without effect; refused: a clear error (400); empty: always null
State = Literal["works", "ignored", "refused", "empty"]


@dataclass(frozen=True)
class Field:
    """What becomes of a field, where it is not simply what OpenAI's description says; goes into `Annotated`."""

    state: State
    note: str = ""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The field's schema with the state and the note beside it."""
        schema = {**handler(core_schema), "x-state": self.state}
        return schema | ({"description": self.note} if self.note else {})


def works(note: str) -> Field:
    """It works; the note says how."""
    return Field("works", note)


IGNORED = Field("ignored")
REFUSED = Field("refused")
EMPTY = Field("empty")


class Operation(NamedTuple):
    """One route: what it takes, what it answers."""

    group: Group
    method: str
    #: as the application has it, with /v1
    path: str
    summary: str
    #: a TypedDict (or a union of them) for the body, None where there is none
    takes: Any = None
    #: a TypedDict for the answer, None for bytes
    gives: Any = None
    #: media types of body and answer
    reads: Sequence[str] = (JSON,)
    writes: Sequence[str] = (JSON,)
    status: int = 200
    #: whether a list can be filtered by metadata[key]=value
    by_metadata: bool = False
    #: what a user should know of it
    note: str = ""


class Page(TypedDict, Generic[T]):
    """A page of a list; the next one begins `after` its `last_id`."""

    object: Literal["list"]
    data: list[T]
    has_more: bool
    first_id: str | None
    last_id: str | None


class Deleted(TypedDict):
    """What is said of a deleted thing."""

    id: str
    object: str
    deleted: Literal[True]


class Error(TypedDict):
    """What was wrong."""

    message: str
    type: str
    #: the field it is about
    param: str | None
    code: str | None


class ErrorAnswer(TypedDict):
    """Every error has this form."""

    error: Error


class ExpiresAfter(TypedDict):
    """How long a file is kept: 1 hour to 30 days."""

    anchor: Literal["created_at"]
    seconds: int
