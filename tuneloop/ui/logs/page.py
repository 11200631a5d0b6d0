"""The page itself: what it is asked for, what it shows, and what changes while one looks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from nicegui import ui

from tuneloop.errors import InvalidInput
from tuneloop.store.log_search import Count, Place
from tuneloop.ui import parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.logs import asked, collecting, rows, times
from tuneloop.ui.logs.asked import Asked, Shown
from tuneloop.ui.logs.collecting import Collecting
from tuneloop.ui.logs.filter import Filter
from tuneloop.ui.logs.many import Choice, Many

#: seconds between looks for new calls
_EVERY = 3.0
#: new calls that are counted
_MOST_NEW = 100
_ORDERS = {"created_at": "Newest", "latency_ms": "Slowest", "cost": "Costliest"}


class _Logs:
    """One Logs page in one window."""

    def __init__(self, here: Here, wanted: Asked, shown: Shown) -> None:
        self.here = here
        self.wanted, self.shown = wanted, shown
        self.count: Count | None = None
        self.chosen: set[str] = set()
        #: what is under way for an older URL is not shown
        self._turn = 0

    def build(self) -> None:
        """Put everything on the page."""
        with parts.row("between top-of-page"):
            parts.title(
                "Logs",
                "Every call of your application. Say which answers are good: those are what a small model learns from.",
            )
            self._actions()
        with parts.card("stack filter"):
            self.filter = Filter(self.here, self.wanted.where, self._choose)
            self._times = parts.tag("div", "stack wide times-place")
        self._bar()
        self._table = parts.tag("div", "wide")
        self._pager = parts.tag("nav", "row pager").props('aria-label="Pages of calls"')
        self._settle()
        self._draw()
        ui.timer(0.01, self._sum, once=True)
        parts.every(_EVERY, self._look)

    def _actions(self) -> None:
        with parts.row():
            if self.here.may("reviewer"):
                self._review = parts.link("Review these", "/review", "plain")
            if self.here.may("owner"):
                self._collecting = Collecting(self.here, lambda: self.wanted.where)
                parts.button("Make a data set of these", self._collecting.open, "main")

    def _bar(self) -> None:
        with parts.row("between calls-bar"):
            with parts.row():
                self._said = parts.text("strong", "").props('aria-live="polite"')
                self._new = parts.text("button", "", "button quiet").props('type="button"').on("click", self._newest)
                self._new.visible = False
            with parts.row("orders").props('role="group" aria-label="Order"'):
                self._orders = {order: self._order(order, said) for order, said in _ORDERS.items()}
            if self.here.may("reviewer"):
                with parts.row("many") as self._many:
                    self._chosen_said = parts.text("span", "", "dim")
                    Many(self.here, self._choice, self._scored)

    def _order(self, order: str, said: str) -> ui.element:
        async def choose() -> None:
            await self.go(order=None if order == "created_at" else order, at=None, to=None)

        return parts.button(said, choose, "quiet", label=f"{said} first")

    async def _choose(self, where: str) -> None:
        await self.go(where=where, at=None, to=None)

    async def _newest(self) -> None:
        await self.go(at=None, to=None)

    async def go(self, **query: str | None) -> None:
        """Show what another query asks for."""
        wanted = asked.asked({name: value for name, value in {**self.here.query, **query}.items() if value})
        self.here.remember(**query)
        changed = wanted.where != self.wanted.where
        self.wanted = wanted
        self._turn += 1
        turn = self._turn
        if changed:
            self.count = None
            self.chosen.clear()
        shown = await self.here.do(asked.look, self.here.loop.store, wanted)
        if turn != self._turn:
            return
        self.shown = shown
        self._settle()
        self._draw()
        if changed or "at" in query:
            self.filter.show(wanted.where)
            await self._sum()

    def _settle(self) -> None:
        """Whoever went back to the newest is at the beginning, where new calls come."""
        if self.wanted.at is not None and self.shown.newer is None:
            self.here.remember(at=None, to=None)
            self.wanted = asked.asked(self.here.query)

    def _draw(self) -> None:
        self._table.clear()
        with self._table:
            if self.shown.logs:
                ticked = self._ticked if self.here.may("reviewer") else None
                query = self.here.query
                rows.table(self.shown.logs, self.shown.scores, query=query, chosen=self.chosen, ticked=ticked)
            else:
                self._nothing()
        self._pager.clear()
        with self._pager:
            self._way("← Newer" if self.wanted.order == "created_at" else "← Before", self.shown.newer, "newer")
            if self.shown.stopped:
                parts.text("small", "Few among many: not all have been looked through yet.", "dim")
            older = "Look further →" if self.shown.stopped else "Older →"
            self._way(older if self.wanted.order == "created_at" else "Next →", self.shown.older, None)
        for order, button in self._orders.items():
            button.props["aria-pressed"] = "true" if order == self.wanted.order else "false"
            button.update()
        if self.here.may("reviewer"):
            where = {"where": self.wanted.where} if self.wanted.where else {}
            self._review.props["href"] = "/review" + (f"?{urlencode(where)}" if where else "")
            self._review.update()
            self._many.visible = bool(self.shown.logs)
        self._new.visible = False
        self._tell()

    def _nothing(self) -> None:
        if self.shown.stopped:
            parts.empty("Nothing so far", "Few or none of so many calls match; there are more to look through.")
        elif self.wanted.where:
            with parts.empty("Nothing matches", "No call fulfils all of these filters."):
                parts.button("Clear the filter", self._clear, "main")
        else:
            with parts.empty("No calls yet", "Point your application's OpenAI client here, and every call is kept."):
                parts.link("See how", "/", "main")

    async def _clear(self) -> None:
        await self._choose("")

    def _way(self, said: str, to: Place | None, direction: str | None) -> None:
        """A link to the page beside this one; it can be opened in a window of its own."""
        if to is None:
            return
        place = {"at": asked.written(to), "to": direction}

        async def go() -> None:
            await self.go(**place)
            ui.run_javascript("window.scrollTo(0, 0)")

        link = parts.link(said, self.here.url(**place), "plain")
        link.on("click", go, js_handler=_PLAIN_CLICK)

    def _tell(self) -> None:
        """How many there are, and how many are chosen."""
        self._said.text = "" if self.count is None else collecting.said(self.count)
        if self.here.may("reviewer"):
            self._chosen_said.text = f"{len(self.chosen)} chosen:" if self.chosen else "All that match:"

    def _ticked(self, log_id: str, is_set: bool) -> None:
        (self.chosen.add if is_set else self.chosen.discard)(log_id)
        self._tell()

    def _choice(self) -> Choice:
        if self.chosen:
            many = len(self.chosen)
            return Choice(sorted(self.chosen), "", f"{many} {'call' if many == 1 else 'calls'}")
        counted = "calls" if self.count is None else collecting.said(self.count)
        return Choice((), self.wanted.where, f"all {counted} that match" if self.wanted.where else f"all {counted}")

    async def _scored(self) -> None:
        self.chosen.clear()
        await self.go()
        await self._sum()

    async def _sum(self) -> None:
        """Count, and draw when they were: after the page is there."""
        turn, wanted, logs = self._turn, self.wanted, self.here.loop.store.logs
        self.count = await self.here.do(logs.search.count, wanted.tree, seconds=asked.COUNTS)
        if turn == self._turn:
            self._tell()
            found = await self.here.do(logs.times.histogram, wanted.tree)
        if turn == self._turn:
            self._times.clear()
            with self._times:
                times.histogram(found, wanted.where, self._choose)

    async def _look(self) -> None:
        """See what has come, and what was said, since."""
        turn, wanted, store = self._turn, self.wanted, self.here.loop.store
        if not self.shown.logs:
            if wanted.at is None and not self.shown.stopped:
                shown = await self.here.do(asked.look, store, wanted)
                if turn == self._turn and shown.logs:
                    await self.go()
                    await self._sum()
            return
        scores = await self.here.do(store.scores.of, [log.id for log in self.shown.logs])
        if turn == self._turn and scores != self.shown.scores:
            self.shown = _with_scores(self.shown, scores)
            self._draw()
        if wanted.at is None and wanted.order == "created_at":
            first = Place(self.shown.logs[0].created_at, self.shown.logs[0].id)
            count = await self.here.do(asked.newer, store, wanted, first, _MOST_NEW)
            if turn == self._turn:
                many = f"{count}+" if count == _MOST_NEW else str(count)
                self._new.text = f"{many} new {'call' if count == 1 else 'calls'}"
                self._new.visible = count > 0


#: a click stays on the page, unless it is to open a window of its own
_PLAIN_CLICK = (
    "(event) => { if (!event.ctrlKey && !event.metaKey && !event.shiftKey) { event.preventDefault(); emit() } }"
)


def _with_scores(shown: Shown, scores: Any) -> Shown:
    return Shown(logs=shown.logs, scores=scores, newer=shown.newer, older=shown.older, stopped=shown.stopped)


async def _logs(here: Here) -> None:
    try:
        wanted, error = asked.asked(here.query), None
    except InvalidInput as wrong:  # a filter that cannot be read is said where it can be mended
        wanted, error = asked.asked({**here.query, "where": ""}), wrong
    shown = await here.do(asked.look, here.loop.store, wanted)
    made = _Logs(here, wanted, shown)
    made.build()
    if error is not None:
        made.filter.mend(here.query["where"], error)


PAGE = page("/logs", "Logs")(_logs)
