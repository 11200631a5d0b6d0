"""Graders: OpenAI's routes to try one and to check one; ours for those under names, their monitors, what they ask of
people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query

from tuneloop import fields, grading
from tuneloop.api import eval_shapes, routing, shapes
from tuneloop.grader_types import GraderVersion, Monitor, Review
from tuneloop.graders import read, sample_of_text
from tuneloop.graders.fields import number
from tuneloop.graders.sandbox import Sandbox
from tuneloop.grading import monitors
from tuneloop.loop import Loop

Limit = Annotated[int, Query(ge=1, le=1000)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _openai(routes, loop)
    _named(routes, loop)
    _monitors(routes, loop)
    _queue(routes, loop)
    return routes


def _openai(routes: APIRouter, loop: Loop) -> None:
    run_python = Sandbox()

    @routes.post("/fine_tuning/alpha/graders/run")
    def run_grader(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        given = grading.resolve(loop.store, fields.required(body, "grader"))
        people = grading.people(loop.store)
        grader = read(given, ask=loop.gateway("graders"), run_python=run_python, people=people)
        sample = fields.typed(fields.required(body, "model_sample"), str, "model_sample")
        item = {} if body.get("item") is None else fields.typed(body["item"], dict, "item")
        return eval_shapes.graded(grader.grade(item, sample_of_text(sample)))

    @routes.post("/fine_tuning/alpha/graders/validate")
    def validate_grader(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        given = grading.resolve(loop.store, fields.required(body, "grader"))
        read(given)
        return {"grader": given}


def _named(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/graders")
    def create_grader(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        definition = fields.required(body, "definition")
        return _grader(grading.add(store, fields.required(body, "name"), definition, body.get("note")))

    @routes.get("/graders")
    def list_graders(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.graders.newest(limit=limit, after=after)
        return shapes.page(found, more, _grader)

    @routes.get("/graders/{name}")
    def retrieve_grader(name: str) -> dict[str, Any]:
        found = grading.find(store, name, "name")
        monitor = monitors.of(store, found.name)
        return _grader(found) | {
            "versions": [version.version for version in store.graders.history(found.name)],
            "waiting": store.reviews.waiting().get(found.name, 0),
            "monitor": None if monitor is None else _monitor(monitor),
        }

    @routes.delete("/graders/{name}")
    def delete_grader(name: str) -> dict[str, Any]:
        grading.delete(store, name)
        return {"id": name, "object": "grader.deleted", "deleted": True}


def _monitors(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/graders/{name}/monitor")
    def monitor_calls(name: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        where = fields.typed(body.get("where") or "", str, "where")
        share = number(1.0 if body.get("share") is None else body["share"], "share")
        return _monitor(monitors.watch(store, grading.find(store, name, "name").name, where=where, share=share))

    @routes.delete("/graders/{name}/monitor")
    def stop_monitor(name: str) -> dict[str, Any]:
        stopped = monitors.stop(store, grading.find(store, name, "name").name)
        return {"id": stopped.id, "object": "monitor.deleted", "deleted": True}


def _queue(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.get("/graders/{name}/queue")
    def list_queue(name: str, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = grading.waiting(store, _asked(name), limit=limit, after=after)
        return shapes.page(found, more, _review)

    @routes.post("/graders/{name}/queue")
    def answer_queue(name: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return _review(grading.answer(store, _asked(name), body))

    @routes.delete("/graders/{name}/queue/{review_id}")
    def take_back_answer(name: str, review_id: str) -> dict[str, Any]:
        return _review(grading.take_back(store, _asked(name), review_id))

    def _asked(name: str) -> str:
        return grading.find(store, name, "name").name


def _grader(item: GraderVersion) -> dict[str, Any]:
    return {"object": "grader", **asdict(item)}


def _monitor(item: Monitor) -> dict[str, Any]:
    return {"object": "monitor", **asdict(item)}


def _review(item: Review) -> dict[str, Any]:
    return {"object": "review", **asdict(item)}
