"""Deployments: which models answer under an alias, since when, with which shares of the calls, and how to go back."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from tuneloop import traffic
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.traffic import WHOLE
from tuneloop.types import Deployment, Evaluation, Json

_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
#: notes by which the history is read
_rolled_back = "rollback"
_promoted = "promoted"
#: seconds of calls that say how models answer now
_LATELY = 86_400.0

Exists = Callable[[str], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to answer under an alias."""

    #: model -> percent of the calls, 100 together; None leaves what answers
    split: Mapping[str, float] | None = None
    #: model -> percent of the calls of which it gets a copy; None leaves those that do not answer now
    shadow: Mapping[str, float] | None = None
    note: str | None = None
    user: str | None = None


def deploy(
    store: Store,
    alias: str,
    model: str,
    *,
    exists: Exists,
    note: str | None = None,
    prompt: str | None = None,
    user: str | None = None,
) -> Deployment:
    """Let `model` answer all calls to `alias` from now on. `exists` says whether a model (not an alias) has that name,
    `prompt` names the version of a Prompt that takes the place of the callers' instructions. Raises InvalidInput and
    NotFound."""
    _check(store, alias, [model], exists)
    return _put(store, Deployment(id="", alias=alias, model=model, created_at=0.0, note=note, prompt=prompt, user=user))


def share(store: Store, alias: str, wanted: Wanted, *, exists: Exists, told: Callable[[str], str | None]) -> Deployment:
    """Let several models answer under `alias`, a part of the calls each, and others answer copies for the log alone.

    The alias may itself be the name of a model, which is the one that answered before anything was deployed. `told`
    names the Prompt of a model that is new there; the others keep theirs. Raises InvalidInput and NotFound.
    """
    live = answering(store, alias)
    itself: list[dict[str, Json]] = [{"model": alias, "share": WHOLE, "prompt": None}] if exists(alias) else []
    now = itself if live is None else traffic.shares(live)
    if wanted.split is None and not now:
        raise NotFound(f"nothing is deployed as {alias!r}: say what answers, too", param="alias")
    split = {one["model"]: one["share"] for one in now} if wanted.split is None else wanted.split
    shadow = copies(live, *split) if wanted.shadow is None else wanted.shadow
    _check_shares(split, shadow)
    _check(store, alias, [*split, *shadow], exists)
    known = {one["model"]: one["prompt"] for one in (*now, *(live.shadow if live else ()))}

    def made(shares: Mapping[str, float]) -> list[dict[str, Json]]:
        return [
            {"model": model, "share": float(part), "prompt": known[model] if model in known else told(model)}
            for model, part in shares.items()
        ]

    shares = sorted(made(split), key=lambda one: -one["share"])
    return _put(
        store,
        Deployment(
            id="",
            alias=alias,
            model=shares[0]["model"],
            created_at=0.0,
            note=wanted.note,
            prompt=shares[0]["prompt"],
            shares=shares if len(shares) > 1 else (),
            shadow=made(shadow),
            user=wanted.user,
        ),
    )


def beside(store: Store, alias: str, model: str, part: float) -> dict[str, float]:
    """The split in which `model` answers `part` percent of the calls and what answers now the rest, in the same
    proportion as now. Where nothing is deployed, the model that the alias is the name of has the rest."""
    live = answering(store, alias)
    now = {alias: WHOLE} if live is None else {one["model"]: one["share"] for one in traffic.shares(live)}
    others = {name: share for name, share in now.items() if name != model}
    if not others or part == WHOLE:
        return {model: WHOLE}
    scale = (WHOLE - part) / sum(others.values())
    return {name: share * scale for name, share in others.items()} | ({model: part} if part else {})


def copies(live: Deployment | None, *without: str) -> dict[str, float]:
    """What gets copies of the calls to a deployment, and of how many percent, without some models."""
    return {one["model"]: one["share"] for one in (live.shadow if live else ()) if one["model"] not in without}


def promote(store: Store, alias: str, model: str | None = None, *, user: str | None = None) -> Deployment:
    """Let the model on trial answer every call: the one that came last into the split, or else the one that gets
    copies; `model` says which where there are several. Raises InvalidInput and NotFound."""
    live = _live(store, alias)
    among = [one for one in (*traffic.shares(live), *live.shadow) if one["model"] == model or model is None]
    if model is not None and not among:
        raise NotFound(f"{model!r} is not on trial as {alias!r}", param="model")
    found = among if model is not None else on_trial(store, live)
    if len(found) != 1:
        names = ", ".join(one["model"] for one in found)
        raise InvalidInput(
            f"several models are on trial as {alias!r}: say which, of {names}"
            if found
            else f"{alias!r} is {live.model!r} alone, and nothing is on trial there",
            param="model",
        )
    chosen = found[0]
    made = Deployment(
        id="", alias=alias, model=chosen["model"], created_at=0.0, note=_promoted, prompt=chosen["prompt"]
    )
    return _put(store, replace(made, user=user))


def on_trial(store: Store, live: Deployment) -> list[dict[str, Json]]:
    """What of a deployment is new: those of its split that did not answer alone before, or else what gets copies."""
    if not live.shares:
        return [dict(one) for one in live.shadow]
    before = next((one.model for one in _stack(store, live.alias)[::-1] if not one.shares), live.alias)
    return [one for one in traffic.shares(live) if one["model"] != before]


def answering(store: Store, alias: str) -> Deployment | None:
    """What holds for an alias now."""
    return next(iter(store.deployments.history(alias)), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """How a model has answered under an alias: of its calls, or of copies of them."""

    model: str
    #: percent of the calls that are meant for it, 0 of one that answers no more; of a shadow, those that it gets
    share: float
    shadow: bool
    calls: int = 0
    #: those that failed; callers that hung up are not among them
    errors: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


def lately(store: Store, alias: str) -> float:
    """Since when the present deployment of an alias is looked at: since it was made, a day ago at most. Raises
    NotFound."""
    return max(_live(store, alias).created_at, time.time() - _LATELY)


def served(store: Store, alias: str, since: float) -> list[Served]:
    """How every model has answered under an alias since a moment: what is meant to first, then what gets copies, then
    others that did. Raises NotFound."""
    live = _live(store, alias)
    meant = [(one, False) for one in traffic.shares(live)] + [(one, True) for one in live.shadow]
    shares = {(one["model"], shadow): one["share"] for one, shadow in meant}
    counted = {(one.model, one.shadow): one for one in store.deployments.answered(alias, since)}
    found = []
    for model, shadow in [*shares, *sorted(counted.keys() - shares.keys())]:
        made = Served(model=model, share=shares.get((model, shadow), 0.0), shadow=shadow)
        if one := counted.get((model, shadow)):
            made = replace(made, calls=one.calls, errors=one.errors, p50_ms=one.p50_ms, p95_ms=one.p95_ms)
        found.append(made)
    return found


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


def rollback(store: Store, alias: str, *, exists: Exists | None = None, user: str | None = None) -> Deployment:
    """Go back to what answered under `alias` before. Rolling back twice goes back two deployments: what was rolled
    back from is passed over. Before the first, the model answered that the alias is the name of, if `exists` knows
    one. Raises NotFound and InvalidInput."""
    return _put(store, replace(previous(store, alias, exists=exists), note=_rolled_back, user=user))


def previous(store: Store, alias: str, *, exists: Exists | None = None) -> Deployment:
    """What `rollback` goes back to. Raises NotFound and InvalidInput."""
    live = _live(store, alias)
    stack = _stack(store, alias)
    if len(stack) > 1:
        return stack[-2]
    alone = live.model == alias and not live.shares and not live.shadow
    if alone or exists is None or not exists(alias):
        raise InvalidInput(f"{alias!r} has only ever been {stack[0].model!r}: there is nothing to go back to")
    return Deployment(id="", alias=alias, model=alias, created_at=0.0)


def _stack(store: Store, alias: str) -> list[Deployment]:
    """The deployments of an alias that can be gone back to, the one that holds now last."""
    stack: list[Deployment] = []
    for deployment in reversed(store.deployments.history(alias)):
        if deployment.note == _rolled_back and len(stack) > 1:
            stack.pop()
        elif deployment.note == _rolled_back and deployment.model == alias:
            stack = [deployment]  # as it was before anything was deployed
        else:
            stack.append(deployment)
    return stack


def _live(store: Store, alias: str) -> Deployment:
    live = answering(store, alias)
    if live is None:
        raise NotFound(f"nothing is deployed as {alias!r}", param="alias")
    return live


def _put(store: Store, deployment: Deployment) -> Deployment:
    made = replace(deployment, id=new_id("dep_"), created_at=time.time())
    store.deployments.deploy(made)
    return made


def _check(store: Store, alias: str, models: list[str], exists: Exists) -> None:
    """Raises unless the alias is one and the models are there. An alias is its own model only among others, or where
    something else answered there before."""
    if not _ALIAS.fullmatch(alias):
        raise InvalidInput(
            f"an alias is 1 to 100 letters, digits and . _ / -, beginning with a letter or digit, not {alias!r}",
            param="alias",
        )
    for model in models:
        if not exists(model):
            raise NotFound(f"no model {model!r}; `tuneloop models list` shows what there is", param="model")
    if models == [alias] and answering(store, alias) is None:
        raise InvalidInput(f"{alias!r} is the model's own name", param="alias")


def _check_shares(split: Mapping[str, float], shadow: Mapping[str, float]) -> None:
    for name, shares in (("split", split), ("shadow", shadow)):
        for model, part in shares.items():
            if isinstance(part, bool) or not isinstance(part, int | float) or not 0 < part <= WHOLE:
                raise InvalidInput(
                    f"'{name}.{model}' must be percent of the calls, above 0 and at most 100, not {part!r}",
                    param=f"{name}.{model}",
                )
    total = sum(split.values())
    if not split or not isfinite(total) or abs(total - WHOLE) > 0.01:
        raise InvalidInput(f"the shares of 'split' are percent and add up to 100, not {total:g}", param="split")
    if both := sorted(split.keys() & shadow.keys()):
        raise InvalidInput(f"{both[0]!r} answers already: 'shadow' is for models that do not", param="shadow")
