"""OpenAI's files: uploaded and produced bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from tuneloop import fields, files
from tuneloop.api import multipart, routing, shapes
from tuneloop.api.query import ManyLimit, Order, ascending
from tuneloop.calls import parse
from tuneloop.loop import Loop
from tuneloop.store import Store, schema
from tuneloop.types import File

#: how libraries flatten {"expires_after": {"seconds": ...}} into a form
_EXPIRES = re.compile(r"expires_after(?:\[(\w+)\]|\.(\w+))")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/files")
    async def upload(request: Request) -> dict[str, Any]:
        async with multipart.received(request, "file", store.blobs, files.MOST_BYTES) as form:
            return shapes.file(await loop.in_thread(_keep, store, form))

    @routes.get("/files")
    def list_files(
        purpose: str | None = None, limit: ManyLimit = 10000, after: str | None = None, order: Order = "desc"
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

    @routes.get("/files/{file_id}/content", response_class=StreamingResponse)
    def file_content(file_id: str) -> StreamingResponse:
        file = files.get(store, file_id)
        headers = {
            "Content-Length": str(file.bytes),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}",
        }
        return StreamingResponse(files.content(store, file_id), headers=headers, media_type="application/octet-stream")

    return routes


def _keep(store: Store, form: multipart.Form) -> File:
    purpose = fields.text(form.fields, "purpose")
    file = files.uploaded(form.filename, purpose, form.file, _seconds(form.fields))
    store.files.keep(file, form.file)
    return file


def _seconds(form: Mapping[str, str]) -> int | None:
    """How long the file is to be kept."""
    if "expires_after" in form:  # as JSON in one field
        value = parse(form["expires_after"].encode())
        return fields.expires_after(form["expires_after"] if value is None else value)
    given: dict[str, Any] = {}
    for name, value in form.items():
        if match := _EXPIRES.fullmatch(name):
            given[match[1] or match[2]] = int(value) if _WHOLE.fullmatch(value) else value
    return fields.expires_after(given or None)
