"""Deployments: which model answers under an alias, since when, and how to go back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.types import Deployment, Evaluation

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")


def deploy(
    store: Store,
    alias: str,
    model: str,
    *,
    exists: Callable[[str], bool],
    note: str | None = None,
    prompt: str | None = None,
) -> Deployment:
    """Let `model` answer under `alias` from now on. `exists` says whether a model (not an alias) has that name,
    `prompt` names the version of a Prompt that takes the place of the callers' instructions. Raises InvalidInput and
    NotFound."""
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            f"an alias is 1 to 100 letters, digits and . _ / -, beginning with a letter or digit, not {alias!r}",
            param="alias",
        )
    if not exists(model):
        raise NotFound(f"no model {model!r}; `tuneloop models list` shows what there is", param="model")
    if alias == model:
        raise InvalidInput(f"{alias!r} is the model's own name", param="alias")
    deployment = Deployment(
        id=new_id("dep_"), alias=alias, model=model, created_at=time.time(), note=note, prompt=prompt
    )
    store.deployments.deploy(deployment)
    return deployment


def check_verdict(evaluation: Evaluation, model: str) -> None:
    """The gate: raises InvalidInput unless the verdict of an evaluation is that `model` may take over."""
    report = evaluation.report
    candidate = next((arm for arm in report.get("arms", ()) if arm["name"] == report.get("candidate")), None)
    if candidate is None or candidate["model"] != model:
        about = f"is about {candidate['model']!r}" if candidate else "has no verdict"
        raise InvalidInput(f"the evaluation {evaluation.id} {about}, not about {model!r}", param="evaluation")
    verdict = report.get("verdict") or {}
    if verdict.get("answer") != "yes":
        raise InvalidInput(
            f"not deployed: the verdict of {evaluation.id} is not yes. {verdict.get('sentence', '')}".strip(),
            param="evaluation",
            code="verdict_not_yes",
        )


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
    back = replace(stack[-2], id=new_id("dep_"), created_at=time.time(), note=_rolled_back)
    store.deployments.deploy(back)
    return back


_rolled_back = "rollback"
