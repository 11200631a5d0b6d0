"""A data set of the calls that match: its name, its split, and what it will hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nicegui import ui

from tuneloop import datasets, filter_text, filters
from tuneloop.errors import TuneloopError
from tuneloop.examples import FEW_EXAMPLES, MIN_EXAMPLES
from tuneloop.overview import GOOD
from tuneloop.store import Store
from tuneloop.store.log_search import Count
from tuneloop.ui import forms, parts
from tuneloop.ui.datasets_words import path
from tuneloop.ui.here import Here

_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """How many calls there are for a data set, and which of them."""

    matched: Count
    good: Count
    bad: Count


class Collecting:
    """The window that makes a data set; `where` says of which calls."""

    def __init__(self, here: Here, where: Callable[[], str]) -> None:
        self._here, self._where = here, where
        self._outlook: Outlook | None = None
        self._dialog = forms.Dialog("Make a data set of these")
        with self._dialog:
            parts.text("p", "It is fixed for ever: calls that come later do not change it.", "dim")
            self._only = forms.tick("Only answers that are rated good or corrected", True, change=self._changed)
            self._place = parts.tag("div", "stack wide").props('aria-live="polite"')
            self._name = forms.line("Name of the data set", hint="such as support")
            hint = "percent to learn from, to choose the best checkpoint by, and to compare models on"
            self._split = forms.line("Split", "80/10/10", hint=hint)
            self._wrong = parts.text("p", "", "wrong").props('role="alert"')
            with parts.row("end"):
                parts.button("Cancel", self._dialog.close)
                parts.button("Make the data set", self._make, "main")

    async def open(self) -> None:
        """Show it, and then what there is now."""
        self._wrong.text, self._outlook = "", None
        self._place.clear()
        with self._place:
            parts.text("p", "Counting …", "dim")
        self._dialog.open()
        self._outlook = outlook = await self._here.do(look, self._here.loop.store, self._where())
        self._only.value = bool(outlook.good.count)
        self._draw(outlook)

    def _changed(self, _: bool) -> None:
        if self._outlook is not None:
            self._draw(self._outlook)

    def _draw(self, outlook: Outlook) -> None:
        self._place.clear()
        taken = outlook.good if self._only.value else outlook.matched
        with self._place:
            with parts.tag("p"):
                parts.text("strong", said(taken))
                parts.text("span", f" of {said(outlook.matched)} that match")
            for warning in warnings(outlook, only_good=bool(self._only.value)):
                parts.text("p", warning, "warning")

    async def _make(self) -> None:
        await self._here.allowed("owner")
        self._wrong.text = ""
        where = filter_text.with_condition(self._where(), GOOD) if self._only.value else self._where()
        try:
            shares = datasets.parse_shares((self._split.value or "").strip())
            name = (self._name.value or "").strip()
            made = await self._here.do(datasets.create, self._here.loop.store, name, where=where, shares=shares)
        except TuneloopError as error:
            self._wrong.text = error.message
            return
        ui.navigate.to(path(made.name))


def look(store: Store, where: str) -> Outlook:
    """Count the calls that match a filter, and those of them that are good or bad answers."""
    search, tree = store.logs.search, filters.given(filters.parse(where))
    good, bad = filters.parse(GOOD), filters.parse("score.rating in (bad, false, 0) and not corrected")
    matched, liked, disliked = (
        search.count(one, seconds=_SECONDS) for one in (tree, filters.All((tree, good)), filters.All((tree, bad)))
    )
    return Outlook(matched=matched, good=liked, bad=disliked)


def warnings(outlook: Outlook, *, only_good: bool) -> list[str]:
    """What one should know before making it."""
    taken = outlook.good if only_good else outlook.matched
    found = []
    if taken.exact and taken.count < MIN_EXAMPLES:
        found.append(f"A data set needs at least {MIN_EXAMPLES} calls. Rate more, or take filters away.")
    elif taken.exact and taken.count < FEW_EXAMPLES:
        found.append(f"Few: {FEW_EXAMPLES} to 100 good ones is where results start to be good.")
    if not only_good and outlook.bad.count:
        found.append(f"{said(outlook.bad)} are rated bad: only the method kto learns from them.")
    if not only_good and outlook.good.count < outlook.matched.count - outlook.bad.count:
        found.append("What nobody has rated is taken as it is.")
    return found


def said(count: Count) -> str:
    """How many, in words."""
    number = f"{count.count:,} {'call' if count.count == 1 else 'calls'}"
    return number if count.exact else f"more than {number}"
