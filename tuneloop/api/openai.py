"""OpenAI's own routes beside chat: models, files and fine-tuning jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Body, File, Form, Query, Request, UploadFile
from fastapi.responses import StreamingResponse

from tuneloop import files, finetuning, models
from tuneloop.api import shapes
from tuneloop.errors import InvalidInput, ModelNotFound
from tuneloop.loop import Loop
from tuneloop.store import schema

Limit = Annotated[int, Query(ge=1, le=10000)]


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = APIRouter(prefix="/v1")
    _models(routes, loop)
    _files(routes, loop)
    _jobs(routes, loop)
    return routes


def _models(routes: APIRouter, loop: Loop) -> None:
    @routes.get("/models")
    def list_models() -> dict[str, Any]:
        catalog = loop.routes.catalog()
        found = [*catalog.tuned.values(), *catalog.base.values(), *catalog.upstream.values()]
        aliases = [shapes.alias(name, target) for name, target in sorted(catalog.aliases.items())]
        return {"object": "list", "data": [*aliases, *map(shapes.model, found)]}

    @routes.get("/models/{name:path}")
    def retrieve_model(name: str) -> dict[str, Any]:
        catalog = loop.routes.catalog()
        if name in catalog.aliases:
            return shapes.alias(name, catalog.aliases[name])
        if found := catalog.find(name):
            return shapes.model(found)
        raise ModelNotFound(f"The model '{name}' does not exist", param="model")

    @routes.delete("/models/{name:path}")
    def delete_model(name: str) -> dict[str, Any]:
        models.delete(loop.store, name)
        loop.routes.forget()
        return {"id": name, "object": "model", "deleted": True}


def _files(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/files")
    def upload(
        file: Annotated[UploadFile | None, File()] = None, purpose: Annotated[str | None, Form()] = None
    ) -> dict[str, Any]:
        if file is None:
            raise InvalidInput("'file' is missing: send it as multipart/form-data", param="file")
        if purpose is None:
            raise InvalidInput("'purpose' is missing; for training it is 'fine-tune'", param="purpose")
        made = files.create(store, file.filename or "file", purpose, _chunks(file.file))
        return shapes.file(made)

    @routes.get("/files")
    def list_files(
        purpose: str | None = None, limit: Limit = 10000, after: str | None = None, order: str = "desc"
    ) -> dict[str, Any]:
        conditions = [schema.files.c.purpose == purpose] if purpose else []
        found, more = store.files.page(*conditions, limit=limit, after=after, ascending=_ascending(order))
        return shapes.page(found, more, shapes.file)

    @routes.get("/files/{file_id}")
    def retrieve_file(file_id: str) -> dict[str, Any]:
        return shapes.file(files.get(store, file_id))

    @routes.delete("/files/{file_id}")
    def delete_file(file_id: str) -> dict[str, Any]:
        files.delete(store, file_id)
        return {"id": file_id, "object": "file", "deleted": True}

    @routes.get("/files/{file_id}/content")
    def file_content(file_id: str) -> StreamingResponse:
        return StreamingResponse(files.content(store, file_id), media_type="application/octet-stream")


def _jobs(routes: APIRouter, loop: Loop) -> None:
    store = loop.store

    @routes.post("/fine_tuning/jobs")
    def create_job(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        job = finetuning.create(store, body, tunable=loop.tunable)
        loop.enqueue(job.id)
        return shapes.job(job)

    @routes.get("/fine_tuning/jobs")
    def list_jobs(request: Request, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        wanted = _metadata_filter(request)
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


def _metadata_filter(request: Request) -> dict[str, str]:
    pairs = request.query_params.items()
    return {key[9:-1]: value for key, value in pairs if key.startswith("metadata[") and key.endswith("]")}


def _ascending(order: str) -> bool:
    if order not in ("asc", "desc"):
        raise InvalidInput(f"'order' must be 'asc' or 'desc', not {order!r}", param="order")
    return order == "asc"


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(1 << 20):
        yield piece
