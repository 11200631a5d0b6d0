"""Deployments: which model answers under an alias, since when, and how to go back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.types import Deployment

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def deploy(
    store: Store, alias: str, model: str, *, exists: Callable[[str], bool], note: str | None = None
) -> Deployment:
    """Let `model` answer under `alias` from now on. `exists` says whether a model (not an alias) has that name.
    Raises InvalidInput and NotFound."""
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            f"an alias is 1 to 100 letters, digits and . _ / -, beginning with a letter or digit, not {alias!r}",
            param="alias",
        )
    if not exists(model):
        raise NotFound(f"no model {model!r}; `tuneloop models list` shows what there is", param="model")
    if alias == model:
        raise InvalidInput(f"{alias!r} is the model's own name", param="alias")
    deployment = Deployment(id=new_id("dep_"), alias=alias, model=model, created_at=time.time(), note=note)
    store.deployments.deploy(deployment)
    return deployment


def rollback(store: Store, alias: str) -> Deployment:
    """Let the model before the present one answer under `alias` again. Rolling back twice goes back two models:
    what was rolled back from is passed over. Raises NotFound and InvalidInput."""
    stack: list[Deployment] = []
    for deployment in reversed(store.deployments.history(alias)):
        if deployment.note == _rolled_back and len(stack) > 1:
            stack.pop()
        else:
            stack.append(deployment)
    if not stack:
        raise NotFound(f"nothing is deployed as {alias!r}", param="alias")
    if len(stack) < 2:
        raise InvalidInput(f"{alias!r} has only ever been {stack[0].model!r}: there is nothing to go back to")
    back = Deployment(id=new_id("dep_"), alias=alias, model=stack[-2].model, created_at=time.time(), note=_rolled_back)
    store.deployments.deploy(back)
    return back


_rolled_back = "rollback"
