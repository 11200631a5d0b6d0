"""OpenAI's graders: try one, check one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields
from tuneloop.api import eval_shapes, routing
from tuneloop.graders import read, sample_of_text
from tuneloop.graders.sandbox import Sandbox
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    run_python = Sandbox()

    @routes.post("/fine_tuning/alpha/graders/run")
    def run_grader(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        given = fields.required(body, "grader")
        grader = read(given, ask=loop.gateway("graders"), run_python=run_python)
        sample = fields.typed(fields.required(body, "model_sample"), str, "model_sample")
        item = {} if body.get("item") is None else fields.typed(body["item"], dict, "item")
        return eval_shapes.graded(grader.grade(item, sample_of_text(sample)))

    @routes.post("/fine_tuning/alpha/graders/validate")
    def validate_grader(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        read(fields.required(body, "grader"))
        return {"grader": body["grader"]}

    return routes
