"""Old calls: deleted by hand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields, filters, retention
from tuneloop.api import routing
from tuneloop.loop import Loop


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/logs/prune")
    def prune_logs(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        before = retention.moment(fields.text(body, "before"))
        tree = filters.parse(fields.typed(body.get("where") or "", str, "where"))
        spare = not fields.typed(body.get("all") or False, bool, "all")
        dry_run = fields.typed(body.get("dry_run") or False, bool, "dry_run")
        matching = retention.count(store, before, tree, spare=False)
        go = retention.count if dry_run else retention.prune
        gone = go(store, before, tree, spare=spare)
        return {
            "object": "logs.pruned",
            "dry_run": dry_run,
            "before": before,
            "matching": matching,
            "deleted": gone,
        }

    return routes
