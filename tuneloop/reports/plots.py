"""Plots as SVG that the page holds in itself.

Written by hand, not by matplotlib: across, places are in percent, so that a plot fits a telephone and a sheet of paper
while its letters keep their size; and its colours are those of the page, in the light and in the dark. A picture that
matplotlib draws does neither, and would bring eight packages for the few lines that are here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Literal, NamedTuple

#: what an arm is in the comparison; the page gives each its colour
Role = Literal["baseline", "candidate", "other"]
Form = Callable[[float], str]

#: less than that is no spread
_TINY = 1e-200
#: pixels
_ROW = 46
_HEIGHT = 240
#: of a letter, and of a plot on a telephone
_LETTER = 7
_NARROW = 280
#: of a name in a plot
_NAME = 28


class Point(NamedTuple):
    """A mean with its interval (None where unknown), and both in words; `x` is what it is plotted against."""

    name: str
    y: float
    low: float | None
    high: float | None
    role: Role = "other"
    said: str = ""
    x: float = 0.0


class Axis(NamedTuple):
    """From `low` to `high`; in proportion (log) where values differ by factors."""

    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return (value - low) / (high - low)


def axis(values: Sequence[float], least: float = -math.inf, most: float = math.inf) -> Axis:
    """An axis for these values, with four to seven round ticks, that does not leave `least` to `most`."""
    low, high = min(values), max(values)
    spread = max(high - low, abs(high) if high == low else 0.0)
    spread = spread if spread > _TINY else 1.0
    low, high = max(least, low - spread * 0.08), min(most, high + spread * 0.08)
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return Axis(low, high, [(first + i) * step for i in range(count)])


def log_axis(values: Sequence[float]) -> Axis:
    """An axis in proportion for positive values, with ticks at the powers of ten (also 3 times these, where few)."""
    low, high = math.log10(min(values)) - 0.15, math.log10(max(values)) + 0.15
    powers = range(math.floor(low), math.ceil(high) + 1)
    factors = (1, 3) if high - low < 3 else (1,)
    ticks = [factor * 10.0**power for power in powers for factor in factors]
    return Axis(10**low, 10**high, [t for t in ticks if low <= math.log10(t) <= high], log=True)


def forest(points: Sequence[Point], form: Form, *, limit: float | None, accepted: float | None) -> str:
    """Means with their intervals, one below the other.

    `limit` is the mean of the baseline, a dashed line; from it down to `accepted` the loss is accepted. `form`
    writes what stands at the axis.
    """
    known = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    across = axis([*known, *(v for v in (limit, accepted) if v is not None)])
    bottom = _ROW * len(points) + 6
    parts = [_grid(across, form, bottom)]
    if limit is not None and accepted is not None:
        left = across.place(accepted)
        parts.append(
            f'<rect class="accepted" x="{_percent(left)}" y="0" height="{bottom}" '
            f'width="{_percent(across.place(limit) - left)}"/>'
        )
    if limit is not None:
        parts.append(_line("limit", (across.place(limit), 0), (across.place(limit), bottom)))
    for index, point in enumerate(points):
        top = index * _ROW
        parts.append(_text(f"name {point.role}", 0, top + 18, _cut(point.name)))
        parts.append(_text("value", 1, top + 18, point.said, anchor="end"))
        parts.append(_interval(across, point, top + 33))
    return _svg("".join(parts), bottom + 24, "; ".join(f"{p.name}: {p.said}" for p in points))


def scatter(points: Sequence[Point], x_form: Form, y_form: Form, *, most: float = math.inf) -> str:
    """Means against what they cost, in dollars or in time; the best place is at the top on the left."""
    values = [p.x for p in points]
    in_proportion = min(values) > 0 and max(values) / min(values) > 20
    across = log_axis(values) if in_proportion else axis([0.0, *values], least=0.0)
    up = axis([v for p in points for v in (p.y, p.low, p.high) if v is not None], most=most)
    parts = [_grid(across, x_form, _HEIGHT), _rules(up, y_form)]
    spots = [(across.place(p.x), _down(up, p.y)) for p in points]
    for point, (x, y), label in zip(points, spots, _labels(points, spots), strict=True):
        if point.low is not None and point.high is not None:
            parts.append(_line(f"interval {point.role}", (x, _down(up, point.low)), (x, _down(up, point.high))))
        parts.append(_dot(x, y, point.role))
        parts.append(_text(f"name {point.role}", x, y + label.dy, _cut(point.name), dx=label.dx, anchor=label.anchor))
    said = "; ".join(f"{p.name}: {y_form(p.y)} at {x_form(p.x)}" for p in points)
    return _svg("".join(parts), _HEIGHT + 24, said, "up")


def curve(points: Sequence[Point], forecast: Point | None, x_form: Form, y_form: Form) -> str:
    """Means against the rows that were learnt from; what is forecast hangs on by a dashed line."""
    all_points = [*points, *([forecast] if forecast else [])]
    across = axis([0.0, *(p.x for p in all_points)], least=0.0)
    up = axis([v for p in all_points for v in (p.y, p.low, p.high) if v is not None])
    parts = [_grid(across, x_form, _HEIGHT), _rules(up, y_form)]
    for before, after in zip(all_points, all_points[1:], strict=False):
        kind = "limit" if after is forecast else "curve"
        ends = [(across.place(p.x), _down(up, p.y)) for p in (before, after)]
        parts.append(_line(kind, ends[0], ends[1]))
    for point in all_points:
        x = across.place(point.x)
        role: Role = "other" if point is forecast else "candidate"
        if point.low is not None and point.high is not None:
            parts.append(_line(f"interval {role}", (x, _down(up, point.low)), (x, _down(up, point.high))))
        parts.append(_dot(x, _down(up, point.y), role))
    said = "; ".join(f"{x_form(p.x)} rows: {y_form(p.y)}" for p in all_points)
    return _svg("".join(parts), _HEIGHT + 24, said, "up")


def _interval(across: Axis, point: Point, y: float) -> str:
    x = across.place(point.y)
    if point.low is None or point.high is None:
        return _dot(x, y, point.role)
    ends = across.place(point.low), across.place(point.high)
    return _line(f"interval {point.role}", (ends[0], y), (ends[1], y)) + _dot(x, y, point.role)


def _grid(across: Axis, form: Form, bottom: float) -> str:
    """Lines up from the ticks, and what the ticks say below; at the ends it is kept inside."""
    parts = []
    for tick in across.ticks:
        x = across.place(tick)
        anchor = "start" if x < 0.04 else "end" if x > 0.96 else "middle"
        parts += [_line("grid", (x, 0), (x, bottom)), _text("tick", x, bottom + 18, form(tick), anchor=anchor)]
    return "".join(parts)


def _rules(up: Axis, form: Form) -> str:
    parts = []
    for tick in up.ticks:
        y = _down(up, tick)
        parts += [_line("grid", (0, y), (1, y)), _text("tick", 0, y + 4, form(tick), dx=-8, anchor="end")]
    return "".join(parts)


def _down(up: Axis, value: float) -> float:
    return (1 - up.place(value)) * _HEIGHT


class _Label(NamedTuple):
    """Where a name stands beside its point, in pixels."""

    anchor: str
    dx: int
    dy: int


_PLACES = [_Label(*side, dy) for dy in (4, -10, 18, -26, 34) for side in (("start", 9), ("end", -9))]


def _labels(points: Sequence[Point], spots: Sequence[tuple[float, float]]) -> list[_Label]:
    """For each name the first place where it lies on no point and no other name, as on the narrowest plot."""
    taken = [(x * _NARROW - 6, y - 6, x * _NARROW + 6, y + 6) for x, y in spots]
    chosen = []
    for point, (x, y) in zip(points, spots, strict=True):
        boxes = {label: _box(label, x * _NARROW, y, len(_cut(point.name)) * _LETTER) for label in _PLACES}
        free = [label for label, box in boxes.items() if 0 <= box[0] and box[2] <= _NARROW + 8 and _free(box, taken)]
        label = free[0] if free else _PLACES[0 if x < 0.5 else 1]
        taken.append(boxes[label])
        chosen.append(label)
    return chosen


def _box(label: _Label, x: float, y: float, width: float) -> tuple[float, float, float, float]:
    left = x + label.dx - (width if label.anchor == "end" else 0)
    return left, y + label.dy - 11, left + width, y + label.dy + 3


def _free(box: tuple[float, float, float, float], taken: Sequence[tuple[float, float, float, float]]) -> bool:
    left, top, right, bottom = box
    return all(right <= a or c <= left or bottom <= b or d <= top for a, b, c, d in taken)


def _svg(inside: str, height: float, said: str, kind: str = "") -> str:
    label = escape(said, quote=True)
    return f'<svg class="plot {kind}" width="100%" height="{height:.0f}" role="img" aria-label="{label}">{inside}</svg>'


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{_percent(x1)}" y1="{y1:.1f}" x2="{_percent(x2)}" y2="{y2:.1f}"/>'


def _dot(x: float, y: float, role: Role) -> str:
    return f'<circle class="{role}" cx="{_percent(x)}" cy="{y:.1f}" r="5"/>'


def _text(kind: str, x: float, y: float, text: str, *, dx: int = 0, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{_percent(x)}" y="{y:.1f}" dx="{dx}" text-anchor="{anchor}">{escape(text)}</text>'


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"
