"""Plots, drawn as SVG in the page's own colours, with the same in words for those who do not see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from tuneloop.ui import parts

#: colours of series, in their order: the accent first
COLOURS = ("#3b76f6", "#e08a1e", "#2aa876", "#b45cd6", "#d9534f", "#5a8a9a")
#: of lines of axes and grids: seen on light and on dark
_LINE, _FAINT = "rgba(128, 140, 160, 0.6)", "rgba(128, 140, 160, 0.22)"
_AXIS = {"axisLine": {"lineStyle": {"color": _LINE}}, "splitLine": {"lineStyle": {"color": _FAINT}}}
_GRID = {"left": 8, "right": 12, "top": 24, "bottom": 8, "containLabel": True}


def bars(labels: Sequence[str], values: Sequence[float], *, label: str, height: int = 140) -> ui.echart:
    """A bar for each label; `label` says in words what is seen."""
    options = {
        **_BASE,
        "grid": {**_GRID, "top": 8},
        "xAxis": {**_AXIS, "type": "category", "data": list(labels), "axisTick": {"show": False}},
        "yAxis": {**_AXIS, "type": "value", "splitNumber": 3, "minInterval": 1},
        "series": [
            {"type": "bar", "data": list(values), "barMaxWidth": 28, "itemStyle": {"borderRadius": [3, 3, 0, 0]}}
        ],
    }
    return chart(options, label=label, height=height)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], *, label: str, x: str = "", y: str = "", height: int = 260
) -> ui.echart:
    """A line for each series of (x, y); `x` and `y` name the axes."""
    options = {
        **_BASE,
        "legend": {"top": 0, "right": 0, "icon": "roundRect", "itemHeight": 3},
        "grid": {**_GRID, "top": 32, "bottom": 24},
        "xAxis": {
            **_AXIS,
            "type": "value",
            "name": x,
            "nameLocation": "middle",
            "nameGap": 26,
            "min": "dataMin",
            "max": "dataMax",
        },
        "yAxis": {**_AXIS, "type": "value", "name": y, "scale": True, "splitNumber": 4},
        "series": [line(name, points) for name, points in series.items()],
    }
    return chart(options, label=label, height=height)


def line(name: str, points: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """One of the series of `lines`, also to be put into the options of a plot that is there."""
    return {
        "name": name,
        "type": "line",
        "data": [list(point) for point in points],
        "showSymbol": len(points) < 15,
        "symbolSize": 7,
        "lineStyle": {"width": 2},
    }


def chart(options: Mapping[str, Any], *, label: str, height: int) -> ui.echart:
    """Any plot of ECharts."""
    made = ui.echart(dict(options), renderer="svg").classes("chart").style(f"height: {height}px")
    made.props["role"], made.props["aria-label"] = "img", label
    return made


def legend(names: Sequence[str]) -> None:
    """Names in the colours of their series."""
    with parts.row("legend"):
        for name, colour in zip(names, COLOURS, strict=False):
            with parts.tag("span"):
                parts.tag("i").style(f"background: {colour}")
                parts.text("span", name)


_BASE: dict[str, Any] = {
    "animation": False,
    "color": list(COLOURS),
    "textStyle": {"fontFamily": "inherit"},
    "tooltip": {"trigger": "axis", "confine": True},
}
