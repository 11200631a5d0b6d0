"""A trace as a tree: which call was made within which, when each began and how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from tuneloop import filters
from tuneloop.filters import Condition
from tuneloop.pages import text
from tuneloop.reports.numbers import milliseconds
from tuneloop.store import Store
from tuneloop.types import Log

#: spans that are drawn; a trace may have any number
MOST = 300


class Branch(NamedTuple):
    """A span and how deep it is in the tree."""

    depth: int
    log: Log


def load(store: Store, log: Log) -> list[Log]:
    """The logs of a Log's trace, earliest first; none where it has no trace, or is alone in it."""
    if log.trace_id is None:
        return []
    tree = filters.All((Condition(field="trace_id", op="=", values=(log.trace_id,)),))
    found, _ = store.logs.page(tree, limit=MOST)
    return sorted(found, key=lambda one: (one.created_at, one.id)) if len(found) > 1 else []


def branches(found: Sequence[Log]) -> Iterator[Branch]:
    """The logs as a tree, parents before what was made within them."""
    here = {log.span_id for log in found if log.span_id}
    below: dict[str | None, list[Log]] = {}
    for log in found:
        parent = log.parent_id if log.parent_id in here and log.parent_id != log.span_id else None
        below.setdefault(parent, []).append(log)
    seen: set[str] = set()
    # What is left over after the roots goes round in a circle: it is begun anywhere.
    for root in [*below.get(None, []), *found]:
        waiting = [Branch(0, root)]
        while waiting:
            depth, log = waiting.pop()
            if log.id not in seen:
                seen.add(log.id)
                yield Branch(depth, log)
                waiting += [
                    Branch(depth + 1, one) for one in reversed(below.get(log.span_id, []) if log.span_id else [])
                ]


def markup(found: Sequence[Log], this: Log) -> str:
    """The tree as a list of links, each with a bar for its time."""
    first = min(log.created_at for log in found)
    whole = max(log.created_at + (log.latency_ms or 0.0) / 1000 for log in found) - first or 1.0
    rows = "".join(_row(branch, this, first, whole) for branch in branches(found))
    note = f'<p class="dim">The newest {MOST} spans.</p>' if len(found) == MOST else ""
    return f'<ol class="log-trace" aria-label="Spans of the trace">{rows}</ol>{note}'


def _row(branch: Branch, this: Log, first: float, whole: float) -> str:
    log = branch.log
    seconds = (log.latency_ms or 0.0) / 1000
    left = min((log.created_at - first) / whole, 0.99)
    width = min(max(seconds / whole, 0.01), 1 - left)
    current = ' aria-current="true"' if log.id == this.id else ""
    name = text((log.span_name or log.model)[:80])
    kind = (
        f'<span class="badge{" bad" if log.error or log.status >= 400 else ""}">{text(log.span_kind or "llm")}</span>'
    )
    bar = f'<span class="bar"><i style="left:{left:.2%};width:{width:.2%}"></i></span>'
    return (
        f'<li{current}><span class="span" style="padding-left:{min(branch.depth, 12)}rem">'
        f'<a href="/logs/{quote(log.id, safe="")}">{name}</a> {kind}</span>'
        f'{bar}<span class="number">{milliseconds(log.latency_ms)}</span></li>'
    )
