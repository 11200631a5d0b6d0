"""The arms of a report: one table of all that was measured, and their pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuneloop.reports import plots
from tuneloop.reports.blocks import Cell, Plot, Table, Text, Tone
from tuneloop.reports.numbers import (
    UNKNOWN,
    Json,
    Report,
    Scale,
    at,
    dollars,
    listed,
    means,
    milliseconds,
    name_of,
    number,
    per_1000,
    percent,
    shown,
    word,
)
from tuneloop.reports.plots import Point, Role

_KINDS = {
    "logged": "as it was answered back then",
    "prompted": "prompted",
    "few_shot": "prompted with examples",
    "tuned": "tuned",
}
#: below it a difference is more than chance
_CHANCE = 0.05


def arms(report: Report) -> Iterator[Table | Text]:
    """Quality with its interval, difference to the baseline, time, tokens and cost of each arm."""
    found = listed(report.get("arms"))
    if not found:
        return
    headers = ("arm", "quality", "difference", "answer time", "first token", "tokens", "per 1,000 calls", "per month")
    yield Table(headers, [_arm(report, arm) for arm in found])
    yield Text(
        "With each value: the interval in which it lies with a confidence of "
        f"{percent(number(report.get('level')) or 0.95)}; with a time, what 95 of 100 calls stay under. Tokens "
        "are those read and those written. A difference is bold when it is more than chance.",
        note=True,
    )


def _arm(report: Report, arm: Mapping[str, Json]) -> list[Cell]:
    scale = Scale(report)
    tokens = arm.get("prompt_tokens"), arm.get("completion_tokens")
    return [
        Cell(name_of(arm), ", ".join(_about(report, arm))),
        Cell(scale.score(means(report, arm)), scale.between(arm.get("interval"))),
        _difference(report, arm),
        Cell(milliseconds(at(arm, "latency_ms", "p50")), _under(at(arm, "latency_ms", "p95"))),
        Cell(milliseconds(at(arm, "first_token_ms", "p50")), _under(at(arm, "first_token_ms", "p95"))),
        Cell(f"{shown(tokens[0])} + {shown(tokens[1], ',.1f')}" if any(map(_known, tokens)) else UNKNOWN),
        Cell(dollars(per_1000(report, arm))),
        Cell(dollars(at(report, "cost", "arms", name_of(arm), "per_month"))),
    ]


def _known(value: Json) -> bool:
    return number(value) is not None


def _under(value: Json) -> str:
    return f"95 %: {milliseconds(value)}" if _known(value) else ""


def _about(report: Report, arm: Mapping[str, Json]) -> Iterator[str]:
    """What an arm is, beside its name."""
    role = role_of(report, arm)
    if role != "other":
        yield role
    kind = word(arm.get("kind"))
    if kind in _KINDS and kind != arm.get("name"):
        yield _KINDS[kind]
    if word(arm.get("model")):
        yield word(arm["model"])


def _difference(report: Report, arm: Mapping[str, Json]) -> Cell:
    found, scale = arm.get("difference"), Scale(report)
    if role_of(report, arm) == "baseline" or number(at(found, "mean")) is None:
        return Cell(UNKNOWN)
    adjusted = number(at(found, "p_adjusted"))
    p_value = number(at(found, "p_value")) if adjusted is None else adjusted
    said = [scale.between(found, "+"), "" if p_value is None else _p(p_value)]
    return Cell(scale.change(at(found, "mean")), ",\n".join(filter(None, said)), _tone(found, p_value))


def _tone(found: Json, p_value: float | None) -> Tone:
    """Good or bad when chance does not explain it: the interval without zero, and the p-value small."""
    low, high = number(at(found, "low")), number(at(found, "high"))
    if low is None or high is None or p_value is None or p_value >= _CHANCE:
        return "plain"
    return "good" if low > 0 else "bad" if high < 0 else "plain"


def _p(value: float) -> str:
    return "p < 0.0001" if value < 0.0001 else f"p = {value:.2g}"


def grades(report: Report) -> Iterator[Table | Text]:
    """The means of all graders, where there are several."""
    graders = listed(report.get("graders"))
    found = listed(report.get("arms"))
    if len(graders) < 2 or not found:
        return
    yield Text("All graders; the first decides.", note=True)
    headers = ("arm", *(word(grader.get("name"), "?") for grader in graders))
    rows = []
    for arm in found:
        cells = [Cell(_mean(at(arm, "metrics", word(g.get("name"))), bool(g.get("binary")))) for g in graders]
        rows.append([Cell(name_of(arm)), *cells])
    yield Table(headers, rows)


def _mean(value: Json, binary: bool) -> str:
    known = number(value)
    return UNKNOWN if known is None else f"{100 * known:.1f} %" if binary else f"{known:.3f}"


def role_of(report: Report, arm: Mapping[str, Json]) -> Role:
    """Whether an arm is the baseline, the candidate, or another."""
    name = arm.get("name")
    if name is not None and name == report.get("baseline"):
        return "baseline"
    return "candidate" if name is not None and name == report.get("candidate") else "other"


def pictures(report: Report) -> Iterator[Plot]:
    """Quality with intervals; quality against cost and against time."""
    points = [(arm, point) for arm in listed(report.get("arms")) if (point := _point(report, arm)) is not None]
    if not points:
        return
    scale = Scale(report)
    limit = next((point.y for _, point in points if point.role == "baseline"), None)
    margin = number(report.get("margin"))
    yield Plot(
        title=f"Quality: {scale.name}",
        svg=plots.forest(
            [point for _, point in points],
            scale.tick,
            limit=limit,
            accepted=None if limit is None or not margin else limit - margin,
        ),
        caption="Mean of each arm with its interval. The dashed line is the baseline"
        + (
            f", the strip beside it the loss of {scale.change(margin).lstrip('+')} that is accepted." if margin else "."
        ),
    )
    costs = [(arm, point, per_1000(report, arm)) for arm, point in points]
    yield from _against(report, "cost", [p._replace(x=x) for _, p, x in costs if x is not None])
    times = [(point, number(at(arm, "latency_ms", "p50"))) for arm, point in points]
    yield from _against(report, "time", [p._replace(x=x) for p, x in times if x is not None])


def _against(report: Report, what: str, points: list[Point]) -> Iterator[Plot]:
    scale = Scale(report)
    if len(points) < 2:
        return
    titles = {"cost": "Quality against cost", "time": "Quality against answer time"}
    captions = {"cost": "Dollars for 1,000 calls", "time": "Usual time of an answer (median)"}
    yield Plot(
        title=titles[what],
        svg=plots.scatter(
            points,
            dollars if what == "cost" else milliseconds,
            scale.tick,
            most=1.0 if scale.binary else float("inf"),
        ),
        caption=f"{captions[what]}, from left to right; {scale.name} upwards. Best is at the top on the left.",
    )


def _point(report: Report, arm: Mapping[str, Json]) -> Point | None:
    mean = means(report, arm)
    if mean is None:
        return None
    low, high = number(at(arm, "interval", "low")), number(at(arm, "interval", "high"))
    interval = Scale(report).between(arm.get("interval"))
    said = Scale(report).score(mean) + (f" ({interval})" if interval else "")
    return Point(name_of(arm), mean, low, high, role_of(report, arm), said)
