"""Who may sign in to the web page: invite, list, give another role, remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body

from tuneloop import fields, people
from tuneloop.api import routing, shapes
from tuneloop.api.query import ManyLimit
from tuneloop.loop import Loop
from tuneloop.person_types import Person, Session


def router(loop: Loop) -> APIRouter:
    """The routes over one loop's parts."""
    routes = routing.routes()
    store = loop.store

    @routes.post("/people")
    def invite_person(body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        name = fields.typed(fields.required(body, "name"), str, "name")
        role = "viewer" if body.get("role") is None else fields.typed(body["role"], str, "role")
        made, secret = people.invite(store, name, role)
        return {**_person(made, []), "link": people.link(loop.url or "", secret)}

    @routes.get("/people")
    def list_people(limit: ManyLimit = 100, after: str | None = None) -> dict[str, Any]:
        found, more = store.people.page(limit=limit, after=after)
        signed_in = people.signed_in(store)
        return shapes.page(found, more, lambda person: _person(person, signed_in))

    @routes.post("/people/{person_id}")
    def update_person(person_id: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        role = fields.typed(fields.required(body, "role"), str, "role")
        return _person(people.change(store, person_id, role), people.signed_in(store))

    @routes.delete("/people/{person_id}")
    def remove_person(person_id: str) -> dict[str, Any]:
        people.remove(store, person_id)
        return {"id": person_id, "object": "person.deleted", "deleted": True}

    return routes


def _person(item: Person, signed_in: Sequence[Session]) -> dict[str, Any]:
    return {
        "id": item.id,
        "object": "person",
        "created_at": item.created_at,
        "name": item.name,
        "role": item.role,
        "signed_in": [one.created_at for one in signed_in if one.person_id == item.id],
    }
