"""OpenAI's files: uploaded and produced bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import StreamingResponse

from tuneloop import files
from tuneloop.api import shapes
from tuneloop.api.query import ManyLimit, ascending
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.store import schema


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = APIRouter(prefix="/v1")
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
        purpose: str | None = None, limit: ManyLimit = 10000, after: str | None = None, order: str = "desc"
    ) -> dict[str, Any]:
        conditions = [schema.files.c.purpose == purpose] if purpose else []
        found, more = store.files.page(*conditions, limit=limit, after=after, ascending=ascending(order))
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

    return routes


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(1 << 20):
        yield piece
