"""When the calls were made: a bar for each stretch of time, which is a filter to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from nicegui.events import GenericEventArguments

from tuneloop import filter_text, filters
from tuneloop.filters import Condition
from tuneloop.pages import text
from tuneloop.store.log_times import Bar, Histogram
from tuneloop.ui import parts

_DAY = 86_400
#: a click on a bar stays on the page, unless it is to open a window of its own
_CLICKED = (
    "(event) => { const bar = event.target.closest('a'); "
    "if (bar && !event.ctrlKey && !event.metaKey && !event.shiftKey) "
    "{ event.preventDefault(); emit(bar.dataset.where) } }"
)


def histogram(found: Histogram, where: str, choose: Callable[[str], Any]) -> None:
    """Bars; `choose` is called with the filter that a bar stands for."""
    highest = max((bar.count for bar in found.bars), default=0)
    if not highest:
        return
    total = sum(bar.count for bar in found.bars)
    first, last = found.bars[0], found.bars[-1]
    label = (
        f"Calls over time: {total:,} from {_moment(first.start)} to {_moment(last.end)}, at most {highest:,} in a bar"
    )
    bars = "".join(_bar(bar, highest, where) for bar in found.bars)
    shown = ui.html(f'<div class="bars" role="group" aria-label="{text(label)}">{bars}</div>', sanitize=False)

    def clicked(event: GenericEventArguments) -> Any:
        return choose(str(event.args))

    shown.classes("times wide").on("click", clicked, js_handler=_CLICKED)
    with parts.tag("div", "axis dim"):
        parts.text("small", _moment(first.start))
        if not found.exact:
            parts.text("small", "estimated from a sample")
        parts.text("small", _moment(last.end))


def between(where: str, bar: Bar) -> str:
    """The filter, for the time of a bar alone."""
    rest = [one for one in filters.conditions(where) if not _is_time(one)]
    times = (f"created_at >= {_written(bar.start)}", f"created_at < {_written(bar.end)}")
    return filter_text.joined([*rest, *times])


def _bar(bar: Bar, highest: int, where: str) -> str:
    chosen = between(where, bar)
    said = f"{_moment(bar.start)} to {_moment(bar.end)}: {bar.count:,}"
    height = 100 * bar.count / highest
    return (
        f'<a href="/logs?{text(urlencode({"where": chosen}))}" data-where="{text(chosen)}" tabindex="-1" '
        f'title="{text(said)}" aria-label="{text(said)}"><i style="height: {height:.1f}%"></i></a>'
    )


def _is_time(condition: str) -> bool:
    tree = filters.parse(condition)
    return isinstance(tree, Condition) and tree.field == "created_at"


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d" if moment % _DAY == 0 else "%Y-%m-%d %H:%M")
