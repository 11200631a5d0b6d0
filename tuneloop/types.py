"""The nouns: frozen, keyword-only, without behaviour. Everybody may import them.

Times are seconds since 1970 (UTC) as floats, durations are milliseconds, money is US dollars.
`Message`, `Tool` and the like are plain dictionaries exactly as OpenAI's wire format has them: one representation
travels from the HTTP body to the training file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any
Message = dict[str, Any]
Tool = dict[str, Any]

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

JobStatus = Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"]
FINAL_STATUSES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})

UploadStatus = Literal["pending", "completed", "cancelled", "expired"]
BatchStatus = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]

#: what webhooks are told of, in OpenAI's words
WEBHOOK_EVENTS = (
    *(f"fine_tuning.job.{end}" for end in ("succeeded", "failed", "cancelled")),
    *(f"batch.{end}" for end in ("completed", "failed", "expired", "cancelled")),
    *(f"eval.run.{end}" for end in ("succeeded", "failed", "canceled")),
)

#: the file in a tuned model's folder by which one that was tuned as a whole is told from an adapter
WHOLE_MODEL = "model.gguf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """One call: request and response exactly as they were, and what was measured."""

    id: str
    created_at: float
    #: "gateway" (passed through us), "api" (POST /v1/logs), "import", "trace" (a span), "shadow" (a copy on trial)
    source: str
    endpoint: str
    #: the name the caller asked for
    model: str
    #: the model that answered (an alias resolved), or None when none did
    served_by: str | None = None
    #: HTTP status of the answer; 499 when the client hung up first
    status: int
    error: str | None = None
    stream: bool = False
    latency_ms: float | None = None
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    finish_reason: str | None = None
    user: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: the id inside the response ("chatcmpl-..."), which clients have at hand
    response_id: str | None = None
    #: the place in a trace (ids in hex, as W3C has them): of a span, or of a call that came with a `traceparent`
    trace_id: str | None = None
    span_id: str | None = None
    parent_id: str | None = None
    #: of a span: its name, what kind of work it was ("llm", "embedding", "agent", "tool", "chain", "retriever", ...;
    #: "span" when it does not say) and its attributes as they came
    span_name: str | None = None
    span_kind: str | None = None
    attributes: Mapping[str, Json] | None = None
    #: the version of the Prompt it was asked with ("support@2")
    prompt: str | None = None
    #: text of the last user message, and of the answer: for search and lists
    input_text: str = ""
    output_text: str = ""
    request: bytes = b""
    response: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A chat completion or a response that its caller wants kept (`store: true`), to be listed, changed, deleted."""

    #: the id inside the answer ("chatcmpl-...", "resp_...")
    id: str
    #: grows with every one that is kept
    place: str
    #: the call itself, which stays when this is deleted
    log_id: str
    kind: Literal["chat", "response"]
    #: the name the caller asked for
    model: str
    #: the call's, until it is changed
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: the response that this one goes on from
    previous: str | None = None
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """What somebody or something thinks of a Log. A correction is the better answer itself."""

    id: str
    log_id: str
    created_at: float
    name: str
    #: bool, number or text; None when the score is only a comment or a correction
    value: bool | float | str | None = None
    source: Literal["user", "annotator", "code", "model"] = "user"
    user: str | None = None
    comment: str | None = None
    #: the answer as it should have been
    correction: Message | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    """One row of a Dataset: messages whose last is the target. `id` is the hash of messages, tools and weight."""

    id: str
    messages: Sequence[Message]
    tools: Sequence[Tool] = ()
    split: Split = "train"
    weight: float = 1.0
    log_id: str | None = None
    #: other keys of the row, kept as they came ("parallel_tool_calls", ...)
    extra: Mapping[str, Json] = field(default_factory=dict)
    #: what people said of the target: True good, False bad (such a row is not imitated), None nothing
    label: bool | None = None
    #: worse answers to the same messages: those that the target corrects
    rejected: Sequence[Message] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Immutable rows under a name. `id` is the hash of the rows; the same rows are the same Dataset."""

    id: str
    name: str
    created_at: float
    #: the filter it was made with, or where it was imported from
    origin: str
    #: rows per split
    counts: Mapping[str, int]
    #: what became of each source row: kept, corrected, rated bad, duplicate, unusable and why
    account: Mapping[str, int]
    #: of one that the doctor made: the bytes of the whole account, a record for each source row
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """An uploaded or produced file, as OpenAI has them; the bytes are in the blob store under `sha256`."""

    id: str
    created_at: float
    filename: str
    purpose: str
    bytes: int
    sha256: str
    #: when it is as good as gone; None keeps it until it is deleted
    expires_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """A file that comes in parts, as OpenAI has them."""

    id: str
    created_at: float
    expires_at: float
    filename: str
    purpose: str
    mime_type: str
    #: how many the file will have
    bytes: int
    status: UploadStatus = "pending"
    #: how long the file is to be kept, in seconds
    file_seconds: int | None = None
    #: the File it has become
    file_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadPart:
    """A piece of an Upload; the bytes are in the blob store under `sha256`."""

    id: str
    upload_id: str
    created_at: float
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Many calls as one file, as OpenAI has them. Token counts are those of the answers so far."""

    id: str
    created_at: float
    endpoint: str
    input_file_id: str
    #: the input's bytes in the blob store; None when the batch has ended and needs them no more
    sha256: str | None
    status: BatchStatus = "validating"
    metadata: Mapping[str, str] | None = None
    #: how long the files it makes are to be kept, in seconds
    output_seconds: int | None = None
    #: the name that its requests ask for
    model: str | None = None
    expires_at: float
    in_progress_at: float | None = None
    finalizing_at: float | None = None
    completed_at: float | None = None
    failed_at: float | None = None
    expired_at: float | None = None
    cancelling_at: float | None = None
    cancelled_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    #: what is wrong with the input: {"code", "line", "message", "param"}
    errors: Sequence[Json] | None = None
    #: requests in all, answered well, answered with an error
    total: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuningJob:
    """A training run as OpenAI has it. `hyperparameters` may hold "auto" until the job has run."""

    id: str
    created_at: float
    #: as it was asked for, and the model that it is or was then an alias of
    model: str
    base: str
    training_file: str
    validation_file: str | None = None
    status: JobStatus = "validating_files"
    suffix: str | None = None
    seed: int = 0
    method: Mapping[str, Json] = field(default_factory=dict)
    hyperparameters: Mapping[str, Json] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    started_at: float | None = None
    finished_at: float | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    estimated_finish: float | None = None
    error: Mapping[str, Json] | None = None
    result_files: Sequence[str] = ()
    #: the Dataset it was made from, when it was
    dataset_id: str | None = None
    #: where its numbers are shown elsewhere, as the request said; kept, not acted on
    integrations: Sequence[Json] | None = None
    #: set while it waits to be resumed
    paused_at: float | None = None
    #: how often it was resumed: the queue tells its runs apart by this
    resumed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a job had learnt after one of its last epochs; `model` is the id of the Model that answers with it."""

    id: str
    created_at: float
    job_id: str
    model: str
    #: of the job, counted from 1
    step: int
    #: train_loss and the like, as in the events
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """A project that may use a tuned model, as OpenAI keeps them."""

    id: str
    created_at: float
    model: str
    project_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something a job says: a message or metrics."""

    id: str
    job_id: str
    created_at: float
    level: Literal["info", "warn", "error"] = "info"
    type: Literal["message", "metrics"] = "message"
    message: str
    data: Mapping[str, Json] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """Something that answers: a base model, a tuned one, or a name at an upstream."""

    id: str
    created_at: float
    kind: Literal["base", "tuned", "upstream"]
    #: name of the base model (its own for a base); that of a tuned one where an adapter stands on a whole tuned model
    base: str
    owned_by: str
    #: of a tuned model, the folder with what was trained: an adapter (peft files and adapter.gguf), or where every
    #: weight was, a whole model (WHOLE_MODEL, safetensors, config, tokenizer) that answers without its base
    adapter: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """An alias and the model that answers under it. History is kept; the last one wins."""

    id: str
    alias: str
    #: where several answer, the one with most of the calls; `prompt` is its own
    model: str
    created_at: float
    note: str | None = None
    #: the Prompt ("support-short@1") that takes the place of the callers' instructions
    prompt: str | None = None
    #: where several answer, all of them: {"model", "share" (percent of the calls), "prompt"}
    shares: Sequence[Json] = ()
    #: likewise what gets a copy of some of the calls, and answers for the log alone
    shadow: Sequence[Json] = ()
    #: who did it, where that is known
    user: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Arms compared on the same held-out rows; `report` has the table, the intervals and the verdict."""

    id: str
    created_at: float
    dataset_id: str
    #: empty until it is completed
    report: Mapping[str, Json]
    #: "running" also of a command's that was killed: the same again goes on with it
    status: Literal["queued", "running", "completed", "failed", "cancelled"] = "completed"
    #: hash of what it compares, and how
    digest: str = ""
    #: the request that a server works on; None of a command's
    asked: Mapping[str, Json] | None = None
    #: `doing`, what is done now; `arms`, of each the rows that are answered, and all
    progress: Mapping[str, Json] = field(default_factory=dict)
    error: Mapping[str, Json] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """Something that ended and is to be told to webhooks."""

    id: str
    created_at: float
    #: OpenAI's name of the event ("fine_tuning.job.succeeded", ...)
    type: str
    #: the id of what ended
    subject: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One Announcement on its way to one webhook."""

    id: str
    created_at: float
    announcement_id: str
    url: str
    attempts: int = 0
    #: when it is tried next; None when it has arrived or was given up
    due_at: float | None
    delivered_at: float | None = None
    #: HTTP status of the latest answer, and what was wrong with it
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float
