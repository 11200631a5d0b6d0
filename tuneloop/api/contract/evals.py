"""Evals, their runs and the rows of these."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop.api.contract.graders import Grader, Named
from tuneloop.api.contract.words import Operation, Page, works

Metadata = dict[str, str]


class CustomData(TypedDict):
    """Rows of any form."""

    type: Literal["custom"]
    item_schema: dict[str, Any]
    include_sample_schema: NotRequired[bool]


class StoredData(TypedDict):
    """Stored answers."""

    type: Literal["logs", "stored_completions"]
    metadata: NotRequired[dict[str, Any] | None]


class CreateEval(TypedDict):
    """Data and what is tested of it."""

    data_source_config: CustomData | StoredData
    testing_criteria: Annotated[
        list[Grader | Named],
        works("graders; pass_threshold beside them"),
    ]
    name: NotRequired[str]
    metadata: NotRequired[Metadata | None]


class UpdateEval(TypedDict, total=False):
    """What may be changed."""

    name: str
    metadata: Metadata | None


class Eval(TypedDict):
    """Data and what is tested of it; `updated_at` is Tuneloop's own."""

    id: str
    object: Literal["eval"]
    created_at: int
    updated_at: NotRequired[int]
    name: str
    data_source_config: dict[str, Any]
    testing_criteria: list[dict[str, Any]]
    metadata: Metadata | None


class DeletedEval(TypedDict):
    """What is said of a deleted eval."""

    object: Literal["eval.deleted"]
    deleted: Literal[True]
    eval_id: str


class DataSource(TypedDict):
    """Where the rows of a run come from, and how a model is asked."""

    type: Literal["jsonl", "completions", "responses"]
    source: Annotated[dict[str, Any], works("file_content, file_id, stored_completions, responses")]
    model: NotRequired[str]
    input_messages: NotRequired[Annotated[dict[str, Any], works("template or item_reference")]]
    sampling_params: NotRequired[dict[str, Any]]


class CreateRun(TypedDict):
    """A run."""

    data_source: DataSource
    name: NotRequired[str]
    metadata: NotRequired[Metadata | None]


class ResultCounts(TypedDict):
    """Rows by what became of them."""

    total: int
    passed: int
    failed: int
    errored: int


class Run(TypedDict):
    """A run of an eval."""

    id: str
    object: Literal["eval.run"]
    created_at: int
    eval_id: str
    name: str
    model: str | None
    status: Literal["queued", "in_progress", "completed", "canceled", "failed"]
    data_source: dict[str, Any]
    error: dict[str, Any]
    metadata: Metadata | None
    report_url: str
    result_counts: ResultCounts
    per_model_usage: list[dict[str, Any]]
    per_testing_criteria_results: list[dict[str, Any]]


class DeletedRun(TypedDict):
    """What is said of a deleted run."""

    object: Literal["eval.run.deleted"]
    deleted: Literal[True]
    run_id: str


class OutputItem(TypedDict):
    """One row of a run."""

    id: str
    object: Literal["eval.run.output_item"]
    created_at: int
    eval_id: str
    run_id: str
    status: str
    datasource_item: dict[str, Any]
    datasource_item_id: int
    results: list[dict[str, Any]]
    sample: dict[str, Any] | None


_EVAL = "/v1/evals/{eval_id}"
_RUN = f"{_EVAL}/runs/{{run_id}}"
_ITEMS = f"{_RUN}/output_items"

OPERATIONS = (
    Operation("Evals", "POST", "/v1/evals", "Create an eval", CreateEval, Eval, status=201),
    Operation("Evals", "GET", "/v1/evals", "List evals", gives=Page[Eval]),
    Operation("Evals", "GET", _EVAL, "Retrieve an eval", gives=Eval),
    Operation("Evals", "POST", _EVAL, "Change name or metadata", UpdateEval, Eval),
    Operation("Evals", "DELETE", _EVAL, "Delete an eval", gives=DeletedEval),
    Operation("Evals", "POST", f"{_EVAL}/runs", "Create a run", CreateRun, Run, status=201),
    Operation("Evals", "GET", f"{_EVAL}/runs", "List runs", gives=Page[Run]),
    Operation("Evals", "GET", _RUN, "Retrieve a run", gives=Run),
    Operation("Evals", "POST", _RUN, "Cancel a run", gives=Run),
    Operation("Evals", "POST", f"{_RUN}/cancel", "Cancel a run, as older clients do", gives=Run),
    Operation("Evals", "DELETE", _RUN, "Delete a run", gives=DeletedRun),
    Operation("Evals", "GET", _ITEMS, "List the rows of a run", gives=Page[OutputItem]),
    Operation("Evals", "GET", f"{_ITEMS}/{{output_item_id}}", "Retrieve a row", gives=OutputItem),
)
