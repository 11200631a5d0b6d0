"""Tuneloop's own routes: logs, feedback, data sets; and traces."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop import types
from tuneloop.api.contract.words import JSON, Operation, Page, works


class LoggedCall(TypedDict, total=False):
    """A call made elsewhere: request and response as they went over the wire, or messages and completion."""

    request: dict[str, Any]
    response: dict[str, Any]
    messages: list[dict[str, Any]]
    completion: Any
    model: str
    created_at: float | str
    latency_ms: float
    usage: dict[str, Any]
    user: str
    metadata: dict[str, Any]
    scores: list[dict[str, Any]]
    feedback: dict[str, Any]
    error: str
    status: int
    id: str


class LoggedCalls(TypedDict):
    """Several of them."""

    data: list[LoggedCall]


class Log(TypedDict):
    """One call, and what was said of it."""

    id: str
    object: Literal["log"]
    created_at: float
    source: str
    endpoint: str
    model: str
    served_by: str | None
    status: int
    error: str | None
    stream: bool
    latency_ms: float | None
    first_token_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    finish_reason: str | None
    user: str | None
    metadata: dict[str, str]
    response_id: str | None
    trace_id: str | None
    span_id: str | None
    parent_id: str | None
    span_name: str | None
    span_kind: str | None
    attributes: dict[str, Any] | None
    prompt: Annotated[str | None, works("the version of the prompt it was asked with")]
    input_text: str
    output_text: str
    request: Any
    response: Any
    scores: list[types.Score]


class Step(TypedDict):
    """The next sensible step."""

    name: Literal["log", "score", "collect", "tune", "watch", "mend", "compare", "read", "deploy", "again"]
    sentence: str
    command: Annotated[str | None, works("what does it on the command line")]
    page: Annotated[str, works("where it is done in the browser")]


class Overview(TypedDict):
    """The loop in numbers."""

    object: Literal["overview"]
    calls: int
    scored: int
    datasets: int
    jobs: int
    unfinished: int
    models: int
    live: dict[str, str]
    saved: Annotated[float | None, works("dollars that tuned models have saved, at least")]
    next: Step


class Sample(TypedDict):
    """The sample log."""

    object: Literal["sample"]
    added: Annotated[int, works("calls that were not there yet")]


class Id(TypedDict):
    """An id alone."""

    id: str


class Taken(TypedDict):
    """What became of several calls."""

    object: Literal["list"]
    data: list[Id]
    added: int
    known: Annotated[int, works("those that were there already")]


class Feedback(TypedDict, total=False):
    """A score for a call, which is named by one of the first three."""

    log_id: str | None
    metadata: dict[str, str]
    metadata_id: str
    name: str
    value: bool | float | str | None
    comment: str | None
    correction: Annotated[Any, works("the answer as it should have been: a text or an assistant message")]
    user: str | None
    source: Literal["user", "annotator", "code", "model"]


class ScoreDeleted(TypedDict):
    """What is said of a score that was taken back."""

    id: str
    object: Literal["score.deleted"]
    deleted: Literal[True]


class Place(TypedDict):
    """A data set that has a call as a row."""

    id: str
    name: str
    split: types.Split


class Lineage(TypedDict):
    """Where a call went."""

    object: Literal["lineage"]
    log_id: str
    datasets: list[Place]
    jobs: Annotated[list[str], works("fine-tuning jobs that were given one of these data sets")]
    models: Annotated[list[str], works("what has come of these jobs")]


class LogCount(TypedDict):
    """How many logs match."""

    object: Literal["log.count"]
    count: int


class Stretch(TypedDict):
    """The logs of a stretch of time; `start` and `end` in seconds since 1970, `end` is the next one's."""

    start: float
    end: float
    count: int


class LogHistogram(TypedDict):
    """Stretches of the same length, without a gap."""

    object: Literal["list"]
    data: list[Stretch]
    exact: Annotated[bool, works("false: counts are estimates, each from the newest logs of its stretch")]


class BulkFeedback(TypedDict, total=False):
    """A score for many calls: those that match a filter, or those that are named."""

    where: str
    ids: list[str]
    name: str
    value: bool | float | str | None
    comment: str | None
    user: str | None
    source: Literal["user", "annotator", "code", "model"]


class BulkScored(TypedDict):
    """How many were scored."""

    object: Literal["feedback.bulk"]
    scored: int


class CreateDataset(TypedDict):
    """Which logs, or which uploaded file, and how the rows are split."""

    name: str
    where: NotRequired[str]
    file: NotRequired[str]
    split: NotRequired[str]


class DatasetRow(TypedDict):
    """A row of a data set; `messages` ends with the answer, `rejected` are worse ones."""

    object: Literal["dataset.row"]
    number: int
    id: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    split: types.Split
    weight: float
    log_id: str | None
    extra: dict[str, Any]
    label: bool | None
    rejected: list[dict[str, Any]]


class DatasetRows(TypedDict):
    """A page of them; `last_number` is what the next call passes as `after`."""

    object: Literal["list"]
    data: list[DatasetRow]
    has_more: bool
    last_number: int | None


class Health(TypedDict):
    """That the server is up."""

    status: Literal["ok"]
    version: str


class CreateCheck(TypedDict, total=False):
    """One of dataset, file and where, and what is done about what is found."""

    dataset: str
    file: str
    where: str
    into: str
    split: str
    leave: list[str]
    fixes: dict[str, str]
    length: int
    model: str
    estimate: bool
    all: bool
    preview: int


class Check(TypedDict):
    """What was found: the summary, and the records of rows."""

    object: Literal["check"]
    type: Literal["summary"]
    source: str
    rows: int
    kept: int
    fixed: int
    dropped: int
    findings: list[dict[str, Any]]
    overall: list[dict[str, Any]]
    reasons: dict[str, dict[str, int]]
    tokens: dict[str, int] | None
    training: dict[str, Any] | None
    dataset: dict[str, Any] | None
    preview: list[dict[str, Any]]
    data: list[dict[str, Any]]


_CALLS = LoggedCall | LoggedCalls | list[LoggedCall]
_DATASET = "/v1/datasets/{name}"
_ROWS = ("application/jsonl",)

OPERATIONS = (
    Operation("Tuneloop", "GET", "/health", "Whether the server is up", gives=Health),
    Operation("Tuneloop", "GET", "/v1/overview", "The loop in numbers, and the next step", gives=Overview),
    Operation("Tuneloop", "POST", "/v1/samples", "Import the sample log", gives=Sample),
    Operation("Tuneloop", "POST", "/v1/logs", "Log calls made elsewhere", _CALLS, Log | Taken),
    Operation("Tuneloop", "GET", "/v1/logs", "List logs, newest first", gives=Page[Log]),
    Operation("Tuneloop", "GET", "/v1/logs/count", "How many logs match", gives=LogCount),
    Operation("Tuneloop", "GET", "/v1/logs/histogram", "When they were made", gives=LogHistogram),
    Operation("Tuneloop", "GET", "/v1/logs/{log_id}", "Retrieve a log", gives=Log),
    Operation("Tuneloop", "GET", "/v1/logs/{log_id}/lineage", "Where a log went", gives=Lineage),
    Operation("Tuneloop", "POST", "/v1/feedback", "Score a call", Feedback, types.Score),
    Operation("Tuneloop", "DELETE", "/v1/feedback/{score_id}", "Take a score back", gives=ScoreDeleted),
    Operation("Tuneloop", "POST", "/v1/feedback/bulk", "Score many calls at once", BulkFeedback, BulkScored),
    Operation("Tuneloop", "POST", "/v1/datasets", "Create a data set", CreateDataset, types.Dataset),
    Operation("Tuneloop", "GET", "/v1/datasets", "List data sets", gives=Page[types.Dataset]),
    Operation("Tuneloop", "GET", _DATASET, "Retrieve a data set", gives=types.Dataset),
    Operation("Tuneloop", "GET", f"{_DATASET}/rows", "Look at its rows", gives=DatasetRows),
    Operation("Tuneloop", "GET", f"{_DATASET}/content", "Its rows as a training file", writes=_ROWS),
    Operation("Tuneloop", "GET", f"{_DATASET}/account", "What became of every row it was made of", writes=_ROWS),
    Operation("Tuneloop", "GET", f"{_DATASET}/report", "The same as a page", writes=("text/html",)),
    Operation("Tuneloop", "POST", "/v1/checks", "Examine a data set, a file or logs", CreateCheck, Check),
    Operation(
        "Traces", "POST", "/v1/traces", "Take spans (OTLP/HTTP)", dict[str, Any], dict[str, Any],
        reads=(JSON, "application/x-protobuf"), writes=(JSON, "application/x-protobuf"),
        note="protobuf or JSON, gzip or not; LLM spans become Logs",
    ),
)  # fmt: skip
