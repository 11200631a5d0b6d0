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

#: the file in a tuned model's folder by which one that was tuned as a whole is told from an adapter
WHOLE_MODEL = "model.gguf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """One call: request and response exactly as they were, and what was measured."""

    id: str
    created_at: float
    #: "gateway" (it passed through us), "api" (POST /v1/logs) or "import" (a file)
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
    #: text of the last user message, and of the answer: for search and lists
    input_text: str = ""
    output_text: str = ""
    request: bytes = b""
    response: bytes = b""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """An uploaded or produced file, as OpenAI has them; the bytes are in the blob store under `sha256`."""

    id: str
    created_at: float
    filename: str
    purpose: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FineTuningJob:
    """A training run as OpenAI has it. `hyperparameters` may hold "auto" until the job has run."""

    id: str
    created_at: float
    model: str
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
    model: str
    created_at: float
    note: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Arms compared on the same held-out rows; `report` has the table and the intervals."""

    id: str
    created_at: float
    dataset_id: str
    report: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float
