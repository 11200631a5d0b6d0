"""The nouns as the wire has them: OpenAI's shapes where OpenAI has the noun, else the fields as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import orjson

from tuneloop.types import Dataset, Deployment, Event, File, FineTuningJob, Log, Model, Score

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
        "purpose": item.purpose,
        "status": "processed",
        "status_details": None,
        "expires_at": None,
    }


def model(item: Model) -> dict[str, Any]:
    """OpenAI's Model object."""
    return {"id": item.id, "object": "model", "created": int(item.created_at), "owned_by": item.owned_by}


def alias(name: str, target: str) -> dict[str, Any]:
    """A deployment's alias as a Model object: callers see it beside the models."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "deployment", "model": target}


def job(item: FineTuningJob) -> dict[str, Any]:
    """OpenAI's FineTuningJob object."""
    return {
        "id": item.id,
        "object": "fine_tuning.job",
        "created_at": int(item.created_at),
        "finished_at": _whole(item.finished_at),
        "estimated_finish": None if item.finished_at else _whole(item.estimated_finish),
        "model": item.model,
        "fine_tuned_model": item.fine_tuned_model,
        "organization_id": "org-local",
        "status": item.status,
        "training_file": item.training_file,
        "validation_file": item.validation_file,
        "result_files": list(item.result_files),
        "trained_tokens": item.trained_tokens,
        "error": item.error,
        "seed": item.seed,
        "hyperparameters": item.hyperparameters,
        "method": item.method,
        "metadata": item.metadata,
        "suffix": item.suffix,
        "integrations": [],
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


def dataset(item: Dataset, notes: Sequence[str] = ()) -> dict[str, Any]:
    """A Dataset, with what its owner should know."""
    return {"object": "dataset", **asdict(item), "warnings": list(notes)}


def deployment(item: Deployment) -> dict[str, Any]:
    """A Deployment."""
    return {"object": "deployment", **asdict(item)}


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)


def _body(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
