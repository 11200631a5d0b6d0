"""OpenAI's fine-tuning jobs, their events and checkpoints."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from tuneloop import finetuning
from tuneloop.api import routing, shapes
from tuneloop.api.query import ManyLimit, metadata_filter, with_metadata
from tuneloop.loop import Loop
from tuneloop.store import schema


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    _jobs(routes, loop)
    _parts(routes, loop)
    return routes


def _jobs(routes: APIRouter, loop: Loop) -> None:
    store = loop.store
    shape = partial(shapes.job, organization=loop.settings.organization)

    @routes.post("/fine_tuning/jobs")
    def create_job(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        job = finetuning.create(store, body, tunable=loop.tunable)
        loop.line_up(job)
        return shape(job)

    @routes.get("/fine_tuning/jobs")
    def list_jobs(request: Request, limit: ManyLimit = 20, after: str | None = None) -> dict[str, Any]:
        keep = with_metadata(metadata_filter(request))
        if request.query_params.get("metadata") == "null":
            keep = _has_no_metadata
        found, more = store.jobs.page(limit=limit, after=after, keep=keep)
        return shapes.page(found, more, shape)

    @routes.get("/fine_tuning/jobs/{job_id}")
    def retrieve_job(job_id: str) -> dict[str, Any]:
        return shape(finetuning.get(store, job_id))

    @routes.post("/fine_tuning/jobs/{job_id}/cancel")
    def cancel_job(job_id: str) -> dict[str, Any]:
        return shape(finetuning.cancel(store, job_id))

    @routes.post("/fine_tuning/jobs/{job_id}/pause")
    def pause_job(job_id: str) -> dict[str, Any]:
        return shape(finetuning.pause(store, job_id))

    @routes.post("/fine_tuning/jobs/{job_id}/resume")
    def resume_job(job_id: str) -> dict[str, Any]:
        job = finetuning.resume(store, job_id)
        loop.line_up(job)
        return shape(job)


def _parts(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.get("/fine_tuning/jobs/{job_id}/events")
    def list_events(job_id: str, limit: ManyLimit = 20, after: str | None = None) -> dict[str, Any]:
        of_job = schema.events.c.job_id == finetuning.get(store, job_id).id
        found, more = store.events.page(of_job, limit=limit, after=after)
        return shapes.page(found, more, shapes.event)

    @routes.get("/fine_tuning/jobs/{job_id}/checkpoints")
    def list_checkpoints(job_id: str, limit: ManyLimit = 10, after: str | None = None) -> dict[str, Any]:
        of_job = schema.checkpoints.c.job_id == finetuning.get(store, job_id).id
        found, more = store.checkpoints.page(of_job, limit=limit, after=after)
        return shapes.page(found, more, shapes.checkpoint)


def _has_no_metadata(item: Any) -> bool:
    return not item.metadata
