"""Deployments: which models answer under a name, with which shares of the calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import deployments, fields, traffic
from tuneloop.api import routing, shapes
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.types import Deployment, Json


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/deployments")
    def deploy(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        shared = body.get("split") is not None or body.get("shadow") is not None
        made = _share(loop, body) if shared else _deploy(loop, body)
        loop.routes.forget()
        return shapes.deployment(made)

    @routes.get("/deployments")
    def list_deployments(alias: str | None = None) -> dict[str, Any]:
        found = store.deployments.history(alias) if alias else store.deployments.all()
        return shapes.page(found, False, shapes.deployment)

    @routes.get("/deployments/{alias:path}/traffic")
    def retrieve_traffic(alias: str) -> dict[str, Any]:
        since = deployments.lately(store, alias)
        return shapes.served(alias, since, deployments.served(store, alias, since))

    @routes.post("/deployments/{alias:path}/promote")
    def promote(alias: str, body: Annotated[dict[str, Any] | None, Body()] = None) -> dict[str, Any]:
        made = deployments.promote(store, alias, _optional(body or {}, "model", str))
        loop.routes.forget()
        return shapes.deployment(made)

    @routes.post("/deployments/{alias:path}/rollback")
    def roll_back(alias: str) -> dict[str, Any]:
        made = deployments.rollback(store, alias, exists=loop.routes.exists)
        loop.routes.forget()
        return shapes.deployment(made)

    return routes


def _deploy(loop: Loop, body: dict[str, Any]) -> Deployment:
    alias, model = body.get("alias"), body.get("model")
    if not isinstance(alias, str) or not isinstance(model, str):
        raise InvalidInput("give 'alias' and 'model' as texts", param="alias")
    _check_verdict(loop, body, [model])
    told = _told(loop, body.get("prompt"))(model)
    return deployments.deploy(loop.store, alias, model, exists=loop.routes.exists, note=_note(body), prompt=told)


def _share(loop: Loop, body: dict[str, Any]) -> Deployment:
    alias, model = body.get("alias"), _optional(body, "model", str)
    if not isinstance(alias, str):
        raise InvalidInput("give 'alias' as a text", param="alias")
    split = _optional(body, "split", dict)
    if model is not None and split is not None and model not in split:
        raise InvalidInput(f"{model!r} is not among those of 'split'", param="model")
    if model is not None and split is None:
        split = {model: traffic.WHOLE}
    wanted = deployments.Wanted(split=split, shadow=_optional(body, "shadow", dict), note=_note(body))
    live = deployments.answering(loop.store, alias)
    known = {one["model"] for one in traffic.shares(live)} if live else {alias}
    new = [one for one in split or () if one not in known]
    _check_verdict(loop, body, [model] if model else new)
    told = _told(loop, body.get("prompt"))
    return deployments.share(loop.store, alias, wanted, exists=loop.routes.exists, told=told)


def _check_verdict(loop: Loop, body: dict[str, Any], models: list[str]) -> None:
    if (evaluation := body.get("evaluation")) is None:
        return
    found = loop.store.evaluations.get(str(evaluation), param="evaluation")
    for model in models:
        deployments.check_verdict(found, model)


def _optional(body: dict[str, Json], name: str, kind: type) -> Any:
    return None if body.get(name) is None else fields.typed(body[name], kind, name)


def _note(body: dict[str, Json]) -> str | None:
    note = body.get("note")
    return None if note is None else str(note)


def _told(loop: Loop, prompt: Json) -> Callable[[str], str | None]:
    from tuneloop import comparing

    if prompt is not None and not isinstance(prompt, str):
        raise InvalidInput("'prompt' names a Prompt (support-short@1), or is \"\" for none", param="prompt")
    return lambda model: comparing.told(loop, model, prompt)
