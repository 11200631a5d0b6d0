"""Fine-tuning jobs, their events and checkpoints, and permissions to use those."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.words import Deleted, Field, Operation, Page, works

Auto = Literal["auto"]
Epochs = Annotated[Annotated[int, Bounds(ge=1, le=50)] | Auto, works("1 to 50")]
BatchSize = Annotated[Annotated[int, Bounds(ge=1, le=256)] | Auto, works("rows, or pairs, in a step: 1 to 256")]
Multiplier = Annotated[Annotated[float, Bounds(gt=0)] | Auto, works("factor on the learning rate, above 0")]
Metadata = dict[str, str]


class Hyperparameters(TypedDict, total=False):
    """Of supervised fine-tuning; Tuneloop's own stand beside them (docs/api.md)."""

    n_epochs: Epochs
    batch_size: BatchSize
    learning_rate_multiplier: Multiplier


class PreferenceHyperparameters(Hyperparameters, total=False):
    """Of dpo, and of Tuneloop's kto."""

    beta: Annotated[Annotated[float, Bounds(gt=0, le=2)] | Auto, works("above 0, at most 2")]


class ReinforcementHyperparameters(Hyperparameters, total=False):
    """Of reinforcement fine-tuning."""

    reasoning_effort: Annotated[
        Literal["default", "low", "medium", "high"],
        works("how long answers may be: low 128 tokens, medium and default 256, high 512"),
    ]
    compute_multiplier: Annotated[
        Annotated[float, Bounds(ge=1e-5, le=10)] | Auto, works("factor on the 8 answers drawn to each prompt")
    ]
    eval_interval: Annotated[Annotated[int, Bounds(ge=1)] | Auto, works("steps; auto: once an epoch")]
    eval_samples: Annotated[Annotated[int, Bounds(ge=1)] | Auto, works("answers to each validation row")]


class Supervised(TypedDict, total=False):
    """What the method supervised has."""

    hyperparameters: Hyperparameters


class Preference(TypedDict, total=False):
    """What the methods dpo and kto have."""

    hyperparameters: PreferenceHyperparameters


class Reinforcement(TypedDict):
    """What the method reinforcement has."""

    grader: Annotated[dict[str, Any], works("string_check, text_similarity, python, score_model or multi")]
    hyperparameters: NotRequired[ReinforcementHyperparameters]
    response_format: NotRequired[Annotated[dict[str, Any], Field("ignored", "kept and shown")]]


class Method(TypedDict):
    """How a job learns."""

    type: Annotated[Literal["supervised", "dpo", "reinforcement", "kto"], works("kto, from thumbs, is Tuneloop's own")]
    supervised: NotRequired[Supervised]
    dpo: NotRequired[Preference]
    reinforcement: NotRequired[Reinforcement]
    kto: NotRequired[Preference]


class Wandb(TypedDict):
    """A run at Weights and Biases."""

    project: str
    name: NotRequired[str | None]
    entity: NotRequired[str | None]
    tags: NotRequired[list[str]]


class Integration(TypedDict):
    """A service that follows a job."""

    type: Literal["wandb"]
    wandb: Annotated[Wandb, Field("ignored", "kept and shown; wandb's own WandbLogger.sync brings the job there")]


class CreateJob(TypedDict):
    """A fine-tuning job."""

    model: Annotated[str, works("a base model here, a tuned model or a checkpoint: then it goes on from that")]
    training_file: str
    validation_file: NotRequired[str | None]
    method: NotRequired[Method | None]
    hyperparameters: NotRequired[Annotated[Hyperparameters | None, works("the older place for supervised ones")]]
    suffix: NotRequired[Annotated[str, Bounds(min_length=1, max_length=64)] | None]
    seed: NotRequired[int | None]
    metadata: NotRequired[Metadata | None]
    integrations: NotRequired[list[Integration] | None]


class JobError(TypedDict):
    """Why a job has failed."""

    code: str
    message: str
    param: str | None


class Job(TypedDict):
    """A fine-tuning job; `suffix` and `paused_at` are Tuneloop's own."""

    id: str
    object: Literal["fine_tuning.job"]
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    model: str
    fine_tuned_model: str | None
    organization_id: str
    status: Annotated[
        Literal["validating_files", "queued", "running", "succeeded", "failed", "cancelled"],
        works("a paused job stays queued: clients know no other words"),
    ]
    training_file: str
    validation_file: str | None
    result_files: Annotated[list[str], works("plain CSV")]
    trained_tokens: int | None
    error: JobError | None
    seed: int
    hyperparameters: Annotated[dict[str, Any], works('"auto" becomes a number by the end')]
    method: dict[str, Any]
    metadata: Metadata | None
    integrations: list[dict[str, Any]] | None
    suffix: NotRequired[str | None]
    paused_at: NotRequired[int | None]


class JobEvent(TypedDict):
    """Something that happened to a job."""

    id: str
    object: Literal["fine_tuning.job.event"]
    created_at: int
    level: Literal["info", "warn", "error"]
    type: Literal["message", "metrics"]
    message: str
    data: Annotated[dict[str, Any] | None, works("metrics: step, total_steps, train_loss, valid_loss and accuracies")]


class Metrics(TypedDict, total=False):
    """What was measured at a step."""

    step: float | None
    train_loss: float | None
    train_mean_token_accuracy: float | None
    valid_loss: float | None
    valid_mean_token_accuracy: float | None
    full_valid_loss: float | None
    full_valid_mean_token_accuracy: float | None


class Checkpoint(TypedDict):
    """A model as it was at the end of an epoch."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"]
    created_at: int
    fine_tuned_model_checkpoint: Annotated[str, works("can be called as any model")]
    fine_tuning_job_id: str
    step_number: int
    metrics: Metrics


class CreatePermission(TypedDict):
    """Projects that may use a checkpoint."""

    project_ids: list[str]


class Permission(TypedDict):
    """That a project may use a checkpoint; kept, but there is one project here, which may use all."""

    id: str
    object: Literal["checkpoint.permission"]
    created_at: int
    project_id: str


_JOBS = "/v1/fine_tuning/jobs"
_JOB = f"{_JOBS}/{{job_id}}"
_PERMISSIONS = "/v1/fine_tuning/checkpoints/{model}/permissions"

OPERATIONS = (
    Operation("Fine-tuning", "POST", _JOBS, "Create a job", CreateJob, Job),
    Operation("Fine-tuning", "GET", _JOBS, "List jobs", gives=Page[Job], by_metadata=True, note="also `metadata=null`"),
    Operation("Fine-tuning", "GET", _JOB, "Retrieve a job", gives=Job),
    Operation("Fine-tuning", "POST", f"{_JOB}/cancel", "Cancel a job", gives=Job),
    Operation("Fine-tuning", "POST", f"{_JOB}/pause", "Let a job wait", gives=Job),
    Operation("Fine-tuning", "POST", f"{_JOB}/resume", "Let a paused job go on", gives=Job),
    Operation("Fine-tuning", "GET", f"{_JOB}/events", "Its events, newest first", gives=Page[JobEvent]),
    Operation("Fine-tuning", "GET", f"{_JOB}/checkpoints", "Its checkpoints, newest first", gives=Page[Checkpoint]),
    Operation("Fine-tuning", "POST", _PERMISSIONS, "Let projects use a checkpoint", CreatePermission, Page[Permission]),
    Operation("Fine-tuning", "GET", _PERMISSIONS, "List permissions", gives=Page[Permission]),
    Operation("Fine-tuning", "DELETE", f"{_PERMISSIONS}/{{permission_id}}", "Revoke a permission", gives=Deleted),
)
