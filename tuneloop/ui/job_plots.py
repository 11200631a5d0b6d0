"""The curves of a job, which grow while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nicegui import ui

from tuneloop.ui import charts, parts
from tuneloop.ui.job_story import LOSS, REWARD, SCORE, By, Points, Story

#: title, names in events, which are not there for every job; the first that a job has is the largest
_PLOTS = {"Reward": REWARD, "Loss": LOSS, "Validation score": SCORE}
_HINTS = {
    "Reward": "What the grader gives its answers; higher is better.",
    "Loss": "How far its answers are from the right ones; lower is better. Where validation rises again while training "
    "falls, it learns by heart.",
    "Validation score": "What the grader gives its answers to rows that it does not learn from; higher is better.",
}
#: points from which on a line is drawn thin
_DENSE = 200


class Curves(NamedTuple):
    """The lines of each plot, by its title, and what they go over."""

    plots: dict[str, dict[str, Points]]
    by: By
    #: where they will end; None where that is not known yet
    end: float | None = None


def curves(story: Story, by: By) -> Curves:
    """All that there is to draw."""
    found = {title: story.curves(names, by) for title, names in _PLOTS.items()}
    total, epochs = story.plan.get("total_steps"), story.plan.get("n_epochs")
    return Curves({title: lines for title, lines in found.items() if lines}, by, total if by == "step" else epochs)


class Plots:
    """The plots on a page: drawn when there is something in them, and then only given new points."""

    def __init__(self, first: Curves) -> None:
        self._charts: dict[str, ui.echart] = {}
        self._newest = first
        self._place = parts.live(self._draw, _form(first))

    def show(self, found: Curves) -> None:
        """Show these."""
        if found == self._newest:
            return
        self._newest = found
        self._place.show(_form(found))
        for title, lines in found.plots.items():
            chart = self._charts[title]
            _fill(chart, lines, found)
            chart.props["aria-label"] = _words(title, lines, found.by)
            chart.update()

    def _draw(self, form: object) -> None:
        self._charts = {}
        if not self._newest.plots:
            with parts.tag("div", "job-quiet"):
                parts.text("p", "The curves begin with the first step.", "dim")
            return
        for title, lines in self._newest.plots.items():
            with parts.tag("div", "stack"):
                parts.heading(title, _HINTS[title])
                label = _words(title, lines, self._newest.by)
                height = 300 if title == next(iter(self._newest.plots)) else 180
                made = charts.lines(lines, label=label, x=self._newest.by, height=height)
                _fill(made, lines, self._newest)
                self._charts[title] = made


def _form(found: Curves) -> object:
    """What makes other plots necessary, not just other points."""
    return found.by, tuple((title, tuple(lines)) for title, lines in found.plots.items())


def _fill(chart: ui.echart, lines: Mapping[str, Points], found: Curves) -> None:
    """Put lines into a plot, whose axis has room for what is still to come."""
    chart.options["series"] = [_line(name, points) for name, points in lines.items()]
    chart.options["grid"] |= {"right": 28}  # room for half of the last number below
    chart.options["xAxis"] |= {"min": 0, "max": found.end or "dataMax", "minInterval": 1}


def _line(name: str, points: Points) -> dict[str, Any]:
    is_training = name == "training"
    width = 1 if len(points) > _DENSE else 2
    return {
        **charts.line(name, points),
        "color": charts.COLOURS[0 if is_training else 1],
        "showSymbol": len(points) <= (1 if is_training else 50),
        "lineStyle": {"width": width},
    }


def _words(title: str, lines: Mapping[str, Points], by: By) -> str:
    latest = (f"{name} {points[-1][1]:.3g} at {by} {points[-1][0]:g}" for name, points in lines.items())
    return f"{title} by {by}: {', '.join(latest)}"
