"""OpenAI's fine-tuning jobs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from tuneloop import finetuning
from tuneloop.api import shapes
from tuneloop.api.query import Limit, metadata_filter
from tuneloop.loop import Loop
from tuneloop.store import schema


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = APIRouter(prefix="/v1")
    store = loop.store

    @routes.post("/fine_tuning/jobs")
    def create_job(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        job = finetuning.create(store, body, tunable=loop.tunable)
        loop.enqueue("fine-tuning", job.id)
        return shapes.job(job)

    @routes.get("/fine_tuning/jobs")
    def list_jobs(request: Request, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        wanted = metadata_filter(request)
        if not wanted:
            found, more = store.jobs.page(limit=limit, after=after)
            return shapes.page(found, more, shapes.job)
        matching = [job for job in store.jobs.all() if wanted.items() <= job.metadata.items()]
        ids = [job.id for job in matching]
        start = ids.index(after) + 1 if after in ids else 0
        return shapes.page(matching[start : start + limit], len(matching) > start + limit, shapes.job)

    @routes.get("/fine_tuning/jobs/{job_id}")
    def retrieve_job(job_id: str) -> dict[str, Any]:
        return shapes.job(finetuning.get(store, job_id))

    @routes.post("/fine_tuning/jobs/{job_id}/cancel")
    def cancel_job(job_id: str) -> dict[str, Any]:
        return shapes.job(finetuning.cancel(store, job_id))

    @routes.get("/fine_tuning/jobs/{job_id}/events")
    def list_events(job_id: str, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        of_job = schema.events.c.job_id == finetuning.get(store, job_id).id
        found, more = store.events.page(of_job, limit=limit, after=after)
        return shapes.page(found, more, shapes.event)

    return routes
