"""The nouns as the wire has them: OpenAI's shapes where OpenAI has the noun, else the fields as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import orjson

from tuneloop.deployments import Served
from tuneloop.lineage import Lineage
from tuneloop.origins import Origin
from tuneloop.types import (
    Batch,
    Checkpoint,
    Dataset,
    Deployment,
    Event,
    File,
    FineTuningJob,
    Log,
    Model,
    Permission,
    Score,
    Upload,
    UploadPart,
)

T = TypeVar("T")


def page(items: Sequence[T], has_more: bool, shape: Callable[[T], dict[str, Any]]) -> dict[str, Any]:
    """A list answer; `last_id` is what the next call passes as `after`."""
    data = [shape(item) for item in items]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, "has_more": has_more, **ends}


def file(item: File) -> dict[str, Any]:
    """OpenAI's File object."""
    return {
        "id": item.id,
        "object": "file",
        "bytes": item.bytes,
        "created_at": int(item.created_at),
        "filename": item.filename,
        # OpenAI takes files for evals, but has no such word in what it answers.
        "purpose": "user_data" if item.purpose == "evals" else item.purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": _whole(item.expires_at),
    }


def upload(item: Upload, made: File | None = None) -> dict[str, Any]:
    """OpenAI's Upload object, with the file that it has become."""
    return {
        "id": item.id,
        "object": "upload",
        "bytes": item.bytes,
        "created_at": int(item.created_at),
        "expires_at": int(item.expires_at),
        "filename": item.filename,
        "purpose": item.purpose,
        "status": item.status,
        "file": None if made is None else file(made),
    }


def upload_part(item: UploadPart) -> dict[str, Any]:
    """OpenAI's UploadPart object."""
    return {
        "id": item.id,
        "object": "upload.part",
        "created_at": int(item.created_at),
        "upload_id": item.upload_id,
    }


def batch(item: Batch) -> dict[str, Any]:
    """OpenAI's Batch object."""
    return {
        "id": item.id,
        "object": "batch",
        "endpoint": item.endpoint,
        "model": item.model,
        "errors": None if not item.errors else {"object": "list", "data": list(item.errors)},
        "input_file_id": item.input_file_id,
        "completion_window": "24h",
        "status": item.status,
        "output_file_id": item.output_file_id,
        "error_file_id": item.error_file_id,
        "created_at": int(item.created_at),
        "in_progress_at": _whole(item.in_progress_at),
        "expires_at": int(item.expires_at),
        "finalizing_at": _whole(item.finalizing_at),
        "completed_at": _whole(item.completed_at),
        "failed_at": _whole(item.failed_at),
        "expired_at": _whole(item.expired_at),
        "cancelling_at": _whole(item.cancelling_at),
        "cancelled_at": _whole(item.cancelled_at),
        "request_counts": {"total": item.total, "completed": item.completed, "failed": item.failed},
        "usage": {
            "input_tokens": item.input_tokens,
            "input_tokens_details": {"cached_tokens": item.cached_tokens},
            "output_tokens": item.output_tokens,
            "output_tokens_details": {"reasoning_tokens": item.reasoning_tokens},
            "total_tokens": item.input_tokens + item.output_tokens,
        },
        "metadata": item.metadata,
    }


def model(item: Model) -> dict[str, Any]:
    """OpenAI's Model object."""
    fields = {"id": item.id, "object": "model", "created": int(item.created_at), "owned_by": item.owned_by}
    return fields | {"shutdown_date": None}


def alias(name: str, target: str) -> dict[str, Any]:
    """A deployment's alias as a Model object: callers see it beside the models."""
    fields = {"id": name, "object": "model", "created": 0, "owned_by": "deployment", "shutdown_date": None}
    return fields | {"model": target}


def job(item: FineTuningJob, organization: str) -> dict[str, Any]:
    """OpenAI's FineTuningJob object; `paused_at` and `suffix` are ours."""
    return {
        "id": item.id,
        "object": "fine_tuning.job",
        "created_at": int(item.created_at),
        "finished_at": _whole(item.finished_at),
        "estimated_finish": None if item.finished_at else _whole(item.estimated_finish),
        "model": item.model,
        "fine_tuned_model": item.fine_tuned_model,
        "organization_id": f"org-{organization}",
        "status": item.status,
        "training_file": item.training_file,
        "validation_file": item.validation_file,
        "result_files": list(item.result_files),
        "trained_tokens": item.trained_tokens,
        "error": item.error,
        "seed": item.seed,
        "hyperparameters": item.hyperparameters,
        "method": item.method,
        "metadata": item.metadata or None,
        "integrations": item.integrations or [],
        "suffix": item.suffix,
        "paused_at": _whole(item.paused_at),
    }


def event(item: Event) -> dict[str, Any]:
    """OpenAI's FineTuningJobEvent object."""
    return {
        "id": item.id,
        "object": "fine_tuning.job.event",
        "created_at": int(item.created_at),
        "level": item.level,
        "type": item.type,
        "message": item.message,
        "data": item.data,
    }


def checkpoint(item: Checkpoint) -> dict[str, Any]:
    """OpenAI's FineTuningJobCheckpoint object."""
    return {
        "id": item.id,
        "object": "fine_tuning.job.checkpoint",
        "created_at": int(item.created_at),
        "fine_tuned_model_checkpoint": item.model,
        "fine_tuning_job_id": item.job_id,
        "step_number": item.step,
        "metrics": item.metrics,
    }


def permission(item: Permission) -> dict[str, Any]:
    """OpenAI's checkpoint permission."""
    return {
        "id": item.id,
        "object": "checkpoint.permission",
        "created_at": int(item.created_at),
        "project_id": item.project_id,
    }


def log(item: Log, scores: Sequence[Score] = ()) -> dict[str, Any]:
    """A Log with its scores; request and response as JSON where they are JSON, as text otherwise."""
    fields = asdict(replace(item, request=b"", response=b"")) | {
        "object": "log",
        "request": _body(item.request),
        "response": _body(item.response),
    }
    return fields | {"scores": [score(one) for one in scores]}


def score(item: Score) -> dict[str, Any]:
    """A Score."""
    return {"object": "score", **asdict(item)}


def lineage(item: Lineage) -> dict[str, Any]:
    """Where a Log went."""
    return {
        "object": "lineage",
        "log_id": item.log_id,
        "datasets": [{"id": one.id, "name": one.name, "split": split} for one, split in item.datasets],
        "jobs": [job.id for job in item.jobs],
        "models": [job.fine_tuned_model for job in item.jobs if job.fine_tuned_model],
    }


def dataset(item: Dataset, notes: Sequence[str] = ()) -> dict[str, Any]:
    """A Dataset, with what its owner should know."""
    return {"object": "dataset", **asdict(item), "warnings": list(notes)}


def deployment(item: Deployment) -> dict[str, Any]:
    """A Deployment."""
    return {"object": "deployment", **asdict(item)}


def origin(item: Origin) -> dict[str, Any]:
    """Where a tuned model comes from."""
    return {
        "object": "model.lineage",
        "model": item.model.id,
        "base": item.model.base,
        "job": item.model.job_id,
        "dataset": None if item.dataset is None else {"id": item.dataset.id, "name": item.dataset.name},
        "origin": None if item.dataset is None else item.dataset.origin,
        "bytes": item.bytes,
        "checkpoints": [one.model for one in item.checkpoints],
        "evaluations": [asdict(one) for one in item.judged],
        "answers": [asdict(one) for one in item.places],
    }


def served(alias: str, since: float, found: Sequence[Served]) -> dict[str, Any]:
    """How models have answered under an alias."""
    models = [asdict(one) for one in found]
    return {"object": "deployment.traffic", "alias": alias, "since": since, "models": models}


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _body(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
