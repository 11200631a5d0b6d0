"""The cost of an evaluation's arms: per 1,000 calls, per month, and when a training has paid for itself."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tuneloop.pricing.machines import machine_source
from tuneloop.pricing.prices import Prices
from tuneloop.pricing.training import TrainingCost
from tuneloop.pricing.volumes import MONTH_DAYS, Volume
from tuneloop.types import Json

#: of a month, on one machine
_MONTH_HOURS = MONTH_DAYS * 24


def account(
    report: Mapping[str, Any],
    prices: Prices,
    *,
    volume: Volume,
    training: TrainingCost | None = None,
    here: Collection[str] = (),
) -> dict[str, Json]:
    """The part "cost" of an evaluation's report, from the rest of it; what is unknown is None.

    `here` are the models that answer on this machine: their calls cost its time. An arm's own `cost_per_1000`, which
    was added up call by call, is taken as it is; otherwise its mean tokens are priced. JSON: `calls_per_month`,
    `calls_source`, `arms` (by name: `per_1000` and `per_month` in dollars, `source`, `date`, `hours_per_month` of this
    machine), `saving_per_month` (what answers today less the candidate), `training` (`dollars`, `minutes`, `source`),
    `break_even_calls` and `break_even_days` (None where the candidate saves nothing), `notes`.
    """
    arms = {arm["name"]: _arm(arm, report, prices, volume, arm["model"] in here) for arm in report["arms"]}
    today, candidate = (arms.get(name) for name in compared(report))
    saving = _less(today, candidate, "per_1000")
    dollars = training.dollars if training else None
    calls = None if saving is None or dollars is None else break_even(saving / 1000, dollars)
    paid = {
        "saving_per_1000": saving,
        "saving_per_month": _less(today, candidate, "per_month"),
        "training": training and {"dollars": dollars, "minutes": training.minutes, "source": training.source},
        "break_even_calls": calls,
        "break_even_days": break_even_days(calls, volume.calls_per_month),
    }
    cost = {"calls_per_month": volume.calls_per_month, "calls_source": volume.source, "arms": arms, **paid}
    return {**cost, "notes": _notes(cost)}


def break_even(saving_per_call: float, training: float) -> int | None:
    """Calls until a training that cost `training` dollars has paid for itself; None when it never does."""
    if training <= 0:
        return 0
    if saving_per_call <= 0:
        return None
    # Rounded first: 3 dollars at 0.001 a call are 3,000 calls, not the 3,001 that floating point would make of them.
    calls = training / saving_per_call
    return math.ceil(round(calls, 6)) if math.isfinite(calls) else None


def break_even_days(calls: int | None, calls_per_month: float | None) -> float | None:
    """Days until so many calls have been made; None when either is unknown, or no call is made."""
    if calls == 0:
        return 0.0
    return calls / calls_per_month * MONTH_DAYS if calls is not None and calls_per_month else None


def _arm(
    arm: Mapping[str, Any], report: Mapping[str, Any], prices: Prices, volume: Volume, is_here: bool
) -> dict[str, Json]:
    seconds = _seconds_per_call(arm, report) if is_here else None
    per_1000, source, date = _machine(arm, report, prices, seconds) if is_here else _listed(arm, prices)
    if arm.get("cost_per_1000") is not None:
        per_1000 = arm["cost_per_1000"]
        if arm["kind"] == "logged":
            source, date = "the costs in the logs", None
    calls = volume.calls_per_month
    return {
        "per_1000": per_1000,
        "per_month": None if per_1000 is None or calls is None else per_1000 * calls / 1000,
        "source": None if per_1000 is None else arm.get("price_source") or source,
        "date": None if per_1000 is None else date,
        "hours_per_month": None if seconds is None or calls is None else seconds * calls / 3600,
    }


class _Rate(NamedTuple):
    """Dollars of 1,000 calls, who says so, and when."""

    per_1000: float | None = None
    source: str | None = None
    date: str | None = None


def _listed(arm: Mapping[str, Any], prices: Prices) -> _Rate:
    quote = prices.quote(arm["model"])
    if quote is None:
        return _Rate()
    read, written = arm.get("prompt_tokens"), arm.get("completion_tokens")
    per_1000 = None if read is None or written is None else 1000 * quote.cost(read, written)
    return _Rate(per_1000, quote.source, quote.date)


def _machine(arm: Mapping[str, Any], report: Mapping[str, Any], prices: Prices, seconds: float | None) -> _Rate:
    if prices.dollars_per_hour is None or seconds is None:
        return _Rate()
    source = machine_source(prices.dollars_per_hour, arm.get("tokens_per_second"))
    return _Rate(prices.machine_cost(1000 * seconds), source, _day(report.get("created_at")))


def _seconds_per_call(arm: Mapping[str, Any], report: Mapping[str, Any]) -> float | None:
    """Of the machine, which answered several calls at once."""
    seconds, rows = arm.get("seconds"), report.get("rows")
    return seconds / rows if seconds and rows else None


def compared(report: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The names of what answers today and of the candidate; reports of earlier versions do not name them."""
    arms = report["arms"]
    first = arms[0]["name"] if arms else None
    tuned = next((arm["name"] for arm in reversed(arms[1:]) if arm["kind"] == "tuned"), None)
    return report.get("baseline", first), report.get("candidate", tuned)


def _less(today: Mapping[str, Any] | None, candidate: Mapping[str, Any] | None, key: str) -> float | None:
    if today is None or candidate is None or today[key] is None or candidate[key] is None:
        return None
    return float(today[key] - candidate[key])


def _notes(cost: Mapping[str, Any]) -> list[str]:
    """What a reader must know to trust the numbers, beside what the other fields say."""
    notes = [
        f"The price of {name} is not known: settings.toml takes prices and what an hour of the machine costs."
        for name, arm in cost["arms"].items()
        if arm["per_1000"] is None
    ]
    busy = {name: arm["hours_per_month"] for name, arm in cost["arms"].items() if arm["hours_per_month"] is not None}
    for name, hours in busy.items():
        notes.append(
            f"{name} keeps this machine busy for {_hours(hours)} of the {_MONTH_HOURS} hours of a month"
            + (
                "; only these are counted."
                if hours <= _MONTH_HOURS
                else f": {math.ceil(hours / _MONTH_HOURS)} are needed."
            )
        )
    return notes


def _hours(hours: float) -> str:
    return f"{hours:,.1f}" if hours >= 0.1 else "less than 0.1"


def _day(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
