"""OpenAI's uploads: a large file in parts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request

from tuneloop import uploads
from tuneloop.api import multipart, routing, shapes
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/uploads")
    def create_upload(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return shapes.upload(uploads.create(store, body))

    @routes.post("/uploads/{upload_id}/parts")
    async def add_part(upload_id: str, request: Request) -> dict[str, Any]:
        upload = await loop.in_thread(uploads.get, store, upload_id)
        uploads.check_pending(upload)
        async with multipart.received(request, "data", store.blobs, uploads.MOST_PART_BYTES) as form:
            return shapes.upload_part(await loop.in_thread(uploads.add_part, store, upload, form.file))

    @routes.post("/uploads/{upload_id}/complete")
    def complete_upload(upload_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        upload, file = uploads.complete(store, upload_id, body)
        return shapes.upload(upload, file)

    @routes.post("/uploads/{upload_id}/cancel")
    def cancel_upload(upload_id: str) -> dict[str, Any]:
        return shapes.upload(uploads.cancel(store, upload_id))

    return routes
