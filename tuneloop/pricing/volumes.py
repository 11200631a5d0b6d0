"""How many calls there are in a month, from those that were logged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from tuneloop.errors import InvalidInput

#: days that a month has here
MONTH_DAYS = 30

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """Calls in 30 days, None when that cannot be told, and what the number is based on."""

    calls_per_month: float | None
    source: str


def volume(calls: int, first: float | None, last: float | None) -> Volume:
    """From `calls` logged calls, the `first` and the `last` at those seconds since 1970.

    From the first to the last call there are `calls - 1` intervals, so that is what the rate is made of. A day at least
    is asked for: a morning's rate says nothing of nights.
    """
    if not calls or first is None or last is None:
        return Volume(calls_per_month=None, source="no call is logged")
    days = (last - first) / _DAY
    seen = f"{calls:,} logged {'call' if calls == 1 else 'calls'}"
    if days < 1:
        short = f"{seen} within {_span(last - first)}: too short a time to tell a month from, at least a day is needed"
        return Volume(calls_per_month=None, source=short)
    source = f"{seen} in {days:,.1f} days ({_date(first)} to {_date(last)})"
    return Volume(calls_per_month=(calls - 1) / days * MONTH_DAYS, source=source)


def told(calls_per_month: float) -> Volume:
    """A number that somebody said. Raises InvalidInput for one that cannot be."""
    if not 0 <= calls_per_month < math.inf:
        raise InvalidInput(f"calls in a month must be zero or more, not {calls_per_month!r}", param="per_month")
    return Volume(calls_per_month=calls_per_month, source="as given")


def _span(seconds: float) -> str:
    for size, unit in ((3600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
