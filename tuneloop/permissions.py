"""Permissions of projects to use a tuned model or one of its checkpoints, kept as OpenAI keeps them.

There is one project here, so they are a record and keep nobody out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store, schema
from tuneloop.store.database import clean
from tuneloop.store.ids import new_id
from tuneloop.types import Permission


def grant(store: Store, model: str, request: Mapping[str, Any]) -> list[Permission]:
    """Let the projects of OpenAI's request use a model; one that may already keeps its permission. Raises InvalidInput
    and NotFound."""
    _check_model(store, model)
    projects = request.get("project_ids")
    if not isinstance(projects, list) or not projects or not all(_is_id(project) for project in projects):
        raise InvalidInput("'project_ids' must be a list with the id of at least one project", param="project_ids")
    known = {permission.project_id: permission for permission in store.permissions.all(_of(model))}
    wanted = list(dict.fromkeys(projects))
    for project in wanted:
        if project not in known:
            known[project] = Permission(id=new_id("cp_"), created_at=time.time(), model=model, project_id=project)
            store.permissions.add(known[project])
    return [known[project] for project in wanted]


def page(
    store: Store, model: str, project: str | None = None, *, limit: int, after: str | None = None, ascending: bool
) -> tuple[list[Permission], bool]:
    """Permissions of a model (and a project) behind `after`, and whether there are more. Raises NotFound."""
    _check_model(store, model)
    of_project = [] if project is None else [schema.permissions.c.project_id == clean(project)]
    return store.permissions.page(_of(model), *of_project, limit=limit, after=after, ascending=ascending)


def revoke(store: Store, model: str, permission_id: str) -> None:
    """Take a permission back. Raises NotFound."""
    _check_model(store, model)
    permission = store.permissions.find(clean(permission_id))
    if permission is None or permission.model != model:
        raise NotFound(f"No such permission of {model!r}: {permission_id!r}", param="permission_id")
    store.permissions.remove(permission.id)


def _check_model(store: Store, model: str) -> None:
    """Raises NotFound unless there is such a tuned model or checkpoint."""
    if store.models.find(clean(model)) is None:
        raise NotFound(f"Could not find checkpoint: {model!r}", param="fine_tuned_model_checkpoint")


def _of(model: str) -> Any:
    return schema.permissions.c.model == model


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 512 and clean(value) == value
