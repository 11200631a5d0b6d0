"""Values of a report as text. Any part of a report may be missing: then it is a dash, never a zero."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Json = Any
Report = Mapping[str, Any]

UNKNOWN = "–"


def at(value: Json, *keys: str) -> Json:
    """The value under keys inside keys, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def listed(value: Json) -> list[Mapping[str, Json]]:
    """The objects of a list; none when it is missing."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, Sequence) else []


def table_of(value: Json) -> Mapping[str, Json]:
    """An object; an empty one when it is missing."""
    return value if isinstance(value, Mapping) else {}


def number(value: Json) -> float | None:
    """A finite number, or None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None


def word(value: Json, unknown: str = "") -> str:
    """A text, or a number as text; `unknown` when it is missing or empty."""
    return str(value) if isinstance(value, str | bool) and value != "" or number(value) is not None else unknown


def words(value: Json) -> list[str]:
    """The texts of a list; none when it is missing."""
    return [word(one) for one in value if word(one)] if isinstance(value, list | tuple) else []


def shown(value: Json, form: str = ",.0f", unit: str = "") -> str:
    """A number in a form, with its unit; a dash when it is unknown."""
    known = number(value)
    return UNKNOWN if known is None else f"{format(known, form)}{unit}"


def dollars(value: Json) -> str:
    """Money: cents from ten cents on, three digits that count below."""
    known = number(value)
    if known is None:
        return UNKNOWN
    sign, size = ("-" if known < 0 else ""), abs(known)
    if size >= 0.1 or size < 1e-9:
        return f"{sign}${size:,.2f}"
    digits = 2 - math.floor(math.log10(size))
    return f"{sign}${size:.{digits}f}".rstrip("0")


def milliseconds(value: Json) -> str:
    """A duration, from 10 seconds on in seconds."""
    known = number(value)
    if known is None:
        return UNKNOWN
    return (
        f"{known / 1000:,.1f} s"
        if known >= 10_000
        else f"{known:,.0f} ms"
        if known >= 10 or known == 0
        else f"{known:.1f} ms"
    )


def percent(value: Json) -> str:
    """A share: "95 %"."""
    return shown(None if number(value) is None else 100 * value, ".0f", " %")


def plural(count: float, noun: str) -> str:
    """ "1 row", "2 rows"."""
    return f"{count:,.0f} {noun}" if count == 1 else f"{count:,.0f} {noun}s"


def day(seconds: Json) -> str:
    """A time in UTC, to the minute."""
    known = number(seconds)
    try:
        return UNKNOWN if known is None else datetime.fromtimestamp(known, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):
        return UNKNOWN


class Scale:
    """How the primary metric is written: right or wrong in percent, others as they are."""

    def __init__(self, report: Report) -> None:
        graders = listed(report.get("graders"))
        self.name = word(report.get("primary") or at(graders[0] if graders else None, "name"), "score")
        self.binary = bool(next((g.get("binary") for g in graders if g.get("name") == self.name), False))
        rows = number(report.get("rows")) or 0
        # A percent is one row in a hundred: decimals of it say something only when there are rows enough.
        self.digits = (1 if rows >= 200 else 0) if self.binary else 3

    def score(self, value: Json) -> str:
        """A mean: "72.4 %" or "0.724"."""
        known = number(value)
        if known is None:
            return UNKNOWN
        return f"{self._rounded(known)} %" if self.binary else self._rounded(known)

    def tick(self, value: float) -> str:
        """A round value at an axis: "60 %" or "0.6"."""
        return f"{100 * value + 0.0:.6g} %" if self.binary else f"{value + 0.0:.6g}"

    def change(self, value: Json) -> str:
        """A difference of means: "+12.3 points" or "+0.123"."""
        known = number(value)
        if known is None:
            return UNKNOWN
        return f"{self._rounded(known, '+')}{' points' if self.binary else ''}"

    def between(self, interval: Json, sign: str = "") -> str:
        """The ends of an interval: "66.1 to 78.0"."""
        low, high = number(at(interval, "low")), number(at(interval, "high"))
        return "" if low is None or high is None else f"{self._rounded(low, sign)} to {self._rounded(high, sign)}"

    def _rounded(self, value: float, sign: str = "") -> str:
        scaled = value * 100 if self.binary else value
        # Adding zero turns a rounded "-0" into "0".
        return f"{round(scaled, self.digits) + 0.0:{sign}.{self.digits}f}"


def means(report: Report, arm: Mapping[str, Json]) -> float | None:
    """An arm's mean in the primary metric."""
    return number(at(arm, "metrics", Scale(report).name))


def per_1000(report: Report, arm: Mapping[str, Json] | None) -> float | None:
    """Dollars of an arm's 1,000 calls: as accounted for, or else as measured."""
    if arm is None:
        return None
    priced = number(at(report, "cost", "arms", name_of(arm), "per_1000"))
    return number(arm.get("cost_per_1000")) if priced is None else priced


def name_of(arm: Mapping[str, Json]) -> str:
    """The arm's name."""
    return word(arm.get("name"), "?")


def arm_named(report: Report, key: str) -> Mapping[str, Json] | None:
    """The arm that the report calls its "baseline" or its "candidate"."""
    name = report.get(key)
    return next((arm for arm in listed(report.get("arms")) if name is not None and arm.get("name") == name), None)
