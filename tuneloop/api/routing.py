"""Routes that read JSON as the hot path does: strictly, and a large body beside the event loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response, params
from fastapi.routing import APIRoute

from tuneloop.gateway import wire

#: bytes from which on parsing takes long enough to do it in a thread
_LARGE = 256 * 1024


def routes() -> APIRouter:
    """An empty router below /v1."""
    return APIRouter(prefix="/v1", route_class=Route, strict_content_type=False)


class Route(APIRoute):
    """A route whose body, where it is JSON, is an object without surprises."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a request that parses differently."""
        handle = super().get_route_handler()
        if self.body_field is None or isinstance(self.body_field.field_info, params.Form):
            return handle

        async def read_json(request: Request) -> Response:
            wire.check_json(request.headers.get("content-type", "").encode("latin-1"))
            return await handle(_Request(request.scope, request.receive))

        return read_json


class _Request(Request):
    async def json(self) -> Any:
        body = await self.body()
        if len(body) < _LARGE:
            return wire.parse_json(body)
        return await anyio.to_thread.run_sync(wire.parse_json, body)
