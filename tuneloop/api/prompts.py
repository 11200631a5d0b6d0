"""Prompts: save a version, list, look at one, fill it in, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields, prompts
from tuneloop.api import routing, shapes
from tuneloop.api.query import Limit
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.store import Store
from tuneloop.types import Json


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/prompts")
    def save_prompt(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        return shape(prompts.save(store, _draft(store, body)).prompt)

    @routes.get("/prompts")
    def list_prompts(limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.prompts.newest(limit=limit, after=after)
        return shapes.page(found, more, shape)

    @routes.get("/prompts/{name}")
    def retrieve_prompt(name: str) -> dict[str, Any]:
        return shape(prompts.find(store, name))

    @routes.get("/prompts/{name}/versions")
    def list_versions(name: str, limit: Limit = 20, after: str | None = None) -> dict[str, Any]:
        found, more = store.prompts.history(prompts.find(store, name).name, limit=limit, after=after)
        return shapes.page(found, more, shape)

    @routes.post("/prompts/{name}/render")
    def render_prompt(name: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        found = _version(store, name, body.get("version"))
        values = fields.typed({} if body.get("variables") is None else body["variables"], dict, "variables")
        request = prompts.request(found, values)
        return {"object": "prompt.rendered", "prompt": found.reference, "request": request}

    @routes.delete("/prompts/{name}")
    def delete_prompt(name: str) -> dict[str, Any]:
        prompts.delete(store, name)
        return {"id": name, "object": "prompt.deleted", "deleted": True}

    return routes


def shape(item: Prompt) -> dict[str, Any]:
    """A Prompt, with the names of its variables."""
    return {"object": "prompt", **asdict(item), "variables": prompts.variables(item)}


def _version(store: Store, name: str, version: Json) -> Prompt:
    found = prompts.find(store, name)
    if version is None:
        return found
    if isinstance(version, bool) or not isinstance(version, str | int):
        raise InvalidInput("Invalid type for 'version': expected a string or an integer.", param="version")
    return prompts.find(store, f"{found.name}@{version}", param="version")


def _draft(store: Store, body: Mapping[str, Json]) -> Draft:
    ids = body.get("logs")
    if ids is None:
        return prompts.read(body)
    if body.get("messages") is not None:
        raise InvalidInput("give 'messages' or 'logs', not both", param="logs")
    logs = [store.logs.get(fields.typed(one, str, "logs")) for one in fields.typed(ids, list, "logs")]
    note = None if body.get("note") is None else fields.typed(body["note"], str, "note")
    keep = fields.typed(body.get("keep_input") or False, bool, "keep_input")
    return prompts.from_logs(fields.text(body, "name"), logs, keep_input=keep, note=note)
