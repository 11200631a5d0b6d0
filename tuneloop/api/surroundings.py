"""What settings.toml names around this server: upstreams that answer calls, webhooks that are told; and how they do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields
from tuneloop.api import routing, shapes
from tuneloop.api.query import ManyLimit, cut
from tuneloop.engines.trying import shown_url, try_upstream
from tuneloop.errors import NotFound
from tuneloop.executors import deliveries
from tuneloop.loop import Loop
from tuneloop.settings import Upstream, Webhook


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    upstreams, hooks = loop.settings.upstreams, loop.settings.webhooks

    @routes.get("/upstreams")
    def list_upstreams(limit: ManyLimit = 100, after: str | None = None) -> dict[str, Any]:
        found, more = cut([_upstream(one) for one in upstreams], limit=limit, after=after, ascending=True)
        return shapes.page(found, more, dict)

    @routes.post("/upstreams/{name:path}/test")
    async def test_upstream(name: str) -> dict[str, Any]:
        named = next((one for one in upstreams if one.name == name), None)
        if named is None:
            raise NotFound(f"settings.toml names no upstream {name!r}", param="name")
        tried = await try_upstream(named)
        return {"id": name, "object": "upstream.tested", "ok": tried.error is None, **asdict(tried)}

    @routes.get("/webhooks")
    def list_webhooks(limit: ManyLimit = 100, after: str | None = None) -> dict[str, Any]:
        found, more = cut([_webhook(one) for one in hooks], limit=limit, after=after, ascending=True)
        return shapes.page(found, more, dict)

    @routes.post("/webhooks/test")
    async def test_webhook(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        url = fields.typed(fields.required(body, "url"), str, "url")
        named = next((one for one in hooks if one.url == url), None)
        if named is None:
            raise NotFound(f"settings.toml names no webhook {url!r}", param="url")
        (attempt,) = await deliveries.try_out([named])
        ended = {"status": attempt.status, "error": attempt.error}
        return {"id": url, "object": "webhook.tested", "ok": attempt.error is None, **ended}

    return routes


def _upstream(item: Upstream) -> dict[str, Any]:
    return {
        "id": item.name,
        "object": "upstream",
        "base_url": shown_url(item),
        "models": list(item.models),
        "api_key_env": item.api_key_env,
        "has_key": item.api_key() is not None,
    }


def _webhook(item: Webhook) -> dict[str, Any]:
    return {"id": item.url, "object": "webhook", "events": list(item.events)}
