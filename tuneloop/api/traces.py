"""OpenTelemetry traces become Logs."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from tuneloop import filters
from tuneloop.api import routing
from tuneloop.importers import otlp
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()

    @routes.post("/traces")
    async def take_traces(request: Request) -> Response:
        return await take(loop, request, "traces")

    return routes


def placed(**ids: str | None) -> list[filters.Tree]:
    """The conditions that a Log has these ids of a trace; hex digits are as good in capitals."""
    return [filters.Condition(field=name, op="=", values=(value.lower(),)) for name, value in ids.items() if value]


async def are_events(request: Request) -> bool:
    """Whether a request is OTLP's log records rather than calls in our own form."""
    headers = request.headers
    return otlp.is_logs(headers.get("content-type", ""), headers.get("content-encoding", ""), await request.body())


async def take(loop: Loop, request: Request, signal: otlp.Signal) -> Response:
    """Keep what an OTLP exporter sends, beside the event loop, and answer in its encoding."""
    headers = request.headers
    content_type, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    keep = partial(otlp.take, cost=loop.prices.cost)
    answer = await loop.in_thread(keep, loop.store, signal, await request.body(), content_type, encoding)
    return Response(answer.body, media_type=answer.media)
