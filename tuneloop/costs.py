"""What calls cost and what a small model saves, from what is kept: the logs, the jobs and an evaluation's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop import filters, pricing
from tuneloop.filters import Condition, Tree
from tuneloop.loop import Loop
from tuneloop.pricing import Prices, Quote, TrainingCost, Volume
from tuneloop.store.logs import Usage
from tuneloop.types import Json


def of_evaluation(
    loop: Loop, report: Mapping[str, Any], *, volume: Volume | None = None, prices: Prices | None = None
) -> dict[str, Json]:
    """The part "cost" of a report (see `pricing.account`).

    Without a `volume` the logged calls of what answers today are counted; the training is that of the candidate.
    """
    prices = prices or loop.prices
    arms = {arm["name"]: arm for arm in report["arms"]}
    today, candidate = (arms.get(name or "") for name in pricing.compared(report))
    if volume is None:
        volume = logged_volume(loop, answered_by(today["model"])) if today else pricing.volume(0, None, None)
    catalog = loop.routes.catalog()
    training = training_of(loop, candidate["model"], prices.dollars_per_hour) if candidate else None
    return pricing.account(report, prices, volume=volume, training=training, here={*catalog.base, *catalog.tuned})


def of_logs(
    loop: Loop, tree: Tree, instead: Sequence[tuple[str, Quote]] = (), volume: Volume | None = None
) -> dict[str, Json]:
    """What the logged calls that match cost, by the model that answered, and what they would cost with others.

    JSON: `calls`, `calls_per_month`, `calls_source`; `models`, each with `model`, `calls`, `prompt_tokens` and
    `completion_tokens` (means), `cost`, `per_1000`, `per_month` (dollars); `instead`, each with `model`, `cost`,
    `per_1000`, `per_month`, `source`, `date`; `notes`. Of calls whose tokens or cost are unknown, `notes` tell; the
    others stand for them in `per_1000` and `per_month`.
    """
    tree = filters.given(tree)
    used = loop.store.logs.usage(tree)
    volume = volume or logged_volume(loop, tree)
    calls, counted = sum(one.calls for one in used), sum(one.counted for one in used)
    read, written = sum(one.prompt_tokens for one in used), sum(one.completion_tokens for one in used)
    others = [
        {
            "model": name,
            **_dollars(quote.cost(read, written), counted, volume.calls_per_month),
            "source": quote.source,
            "date": quote.date,
        }
        for name, quote in instead
    ]
    return {
        "calls": calls,
        "calls_per_month": volume.calls_per_month,
        "calls_source": volume.source,
        "models": [_used(one, calls, volume) for one in used],
        "instead": others,
        "notes": _gaps(used, counted, bool(instead)),
    }


def _used(one: Usage, calls: int, volume: Volume) -> dict[str, Json]:
    month = None if volume.calls_per_month is None else volume.calls_per_month * one.calls / calls
    return {
        "model": one.model,
        "calls": one.calls,
        "prompt_tokens": one.prompt_tokens / one.counted if one.counted else None,
        "completion_tokens": one.completion_tokens / one.counted if one.counted else None,
        **_dollars(one.cost, one.priced, month),
    }


def _dollars(cost: float, calls: int, calls_per_month: float | None) -> dict[str, float | None]:
    """Of `calls` calls together; nothing is known from none."""
    if not calls:
        return {"cost": None, "per_1000": None, "per_month": None}
    month = None if calls_per_month is None else cost / calls * calls_per_month
    return {"cost": cost, "per_1000": 1000 * cost / calls, "per_month": month}


def _gaps(used: Sequence[Usage], counted: int, priced_anew: bool) -> list[str]:
    notes = [
        f"{one.calls - one.priced:,} of {one.calls:,} calls that {one.model} answered have no known cost"
        for one in used
        if one.priced < one.calls
    ]
    missing = sum(one.calls for one in used) - counted
    if missing and priced_anew:
        notes.append(f"calls without known tokens, left out of what other models would cost: {missing:,}")
    return notes


def logged_volume(loop: Loop, tree: Tree) -> Volume:
    """Calls in a month, from the logs that match."""
    return pricing.volume(*loop.store.logs.span(filters.given(tree)))


def answered_by(model: str) -> Tree:
    """The filter for the calls that a model, or whatever stood behind that name, answered well."""
    named = tuple(Condition(field=field, op="=", values=(model,)) for field in ("model", "served_by"))
    return filters.All((filters.Any(named), Condition(field="status", op="<", values=(400.0,))))


def training_of(loop: Loop, model: str, dollars_per_hour: float | None) -> TrainingCost | None:
    """What it took to tune a model here; None for one that was not, or whose job is gone."""
    tuned = loop.store.models.find(model)
    job = loop.store.jobs.find(tuned.job_id) if tuned and tuned.job_id else None
    if job is None or job.started_at is None or job.finished_at is None:
        return None
    return pricing.training_here((job.finished_at - job.started_at) / 60, dollars_per_hour)
