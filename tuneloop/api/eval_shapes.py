"""OpenAI's objects of graders and evals, as its wire has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneloop.eval_types import Eval, EvalItem, EvalRun
from tuneloop.evals import schemas
from tuneloop.graders import Graded

#: OpenAI's clients, strict, want an object here also where nothing is wrong
_NO_ERROR: Mapping[str, str] = {"code": "", "message": ""}


def graded(item: Graded) -> dict[str, Any]:
    """The answer to a grader's run."""
    return {
        "reward": item.reward,
        "sub_rewards": dict(item.sub_rewards),
        "metadata": {
            "name": item.name,
            "type": item.type,
            "errors": item.errors,
            "execution_time": item.seconds,
            "scores": dict(item.sub_rewards),
            "token_usage": sum(used.total_tokens for used in item.usage.values()) if item.usage else None,
            "sampled_model_name": item.model,
            "notes": dict(item.notes),
        },
        "model_grader_token_usage_per_model": {model: used.tokens for model, used in item.usage.items()},
    }


def eval_(item: Eval) -> dict[str, Any]:
    """OpenAI's Eval object; `updated_at` is ours."""
    return {
        "id": item.id,
        "object": "eval",
        "created_at": int(item.created_at),
        "updated_at": int(item.updated_at),
        "name": item.name,
        "data_source_config": schemas.shown(item.data_source_config),
        "testing_criteria": list(item.testing_criteria),
        "metadata": item.metadata,
    }


def run(item: EvalRun, base_url: str) -> dict[str, Any]:
    """OpenAI's eval run; its report is the list of its output items."""
    return {
        "id": item.id,
        "object": "eval.run",
        "created_at": int(item.created_at),
        "eval_id": item.eval_id,
        "name": item.name,
        "model": item.model,
        "status": item.status,
        "data_source": item.data_source,
        "error": item.error or _NO_ERROR,
        "metadata": item.metadata,
        "report_url": f"{base_url}/evals/{item.eval_id}/runs/{item.id}/output_items",
        **item.report,
    }


def output_item(item: EvalItem) -> dict[str, Any]:
    """OpenAI's output item of a run."""
    return {
        "id": item.id,
        "object": "eval.run.output_item",
        "created_at": int(item.created_at),
        "eval_id": item.eval_id,
        "run_id": item.run_id,
        "status": item.status,
        "datasource_item": item.item,
        "datasource_item_id": item.position,
        "results": list(item.results),
        "sample": item.sample,
    }
