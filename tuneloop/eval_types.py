"""The nouns of OpenAI's evals, as `types` has the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tuneloop.types import Json

EvalRunStatus = Literal["queued", "in_progress", "completed", "failed", "canceled"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Eval:
    """What answers are tested for, as OpenAI has it: the shape of the data and the graders, as they came."""

    id: str
    created_at: float
    updated_at: float
    name: str
    data_source_config: Mapping[str, Json]
    testing_criteria: Sequence[Json]
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalRun:
    """One pass of an Eval over a source of rows."""

    id: str
    eval_id: str
    created_at: float
    name: str
    #: the model that is sampled, "" when the answers are in the data
    model: str
    data_source: Mapping[str, Json]
    status: EvalRunStatus = "queued"
    metadata: Mapping[str, str] | None = None
    #: {"code", "message"} when it failed
    error: Mapping[str, Json] | None = None
    #: the counts so far: result_counts, per_model_usage, per_testing_criteria_results
    report: Mapping[str, Json] = field(default_factory=dict)
    #: the bytes of its file in the blob store; None without one, and when it has ended
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvalItem:
    """What became of one row of a run, as OpenAI's output items have it."""

    id: str
    run_id: str
    eval_id: str
    created_at: float
    #: of the row, counted from 0
    position: int
    status: Literal["pass", "fail", "error"]
    item: Mapping[str, Json]
    sample: Mapping[str, Json]
    #: of each criterion: name, type, passed, score, sample
    results: Sequence[Json]
    #: what sampling and judging took, by model
    usage: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
