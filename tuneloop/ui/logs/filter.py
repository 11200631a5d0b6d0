"""The filter: as a text to search for, as chips, and as the expression that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tuneloop import filter_text, filters
from tuneloop.errors import InvalidInput
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here
from tuneloop.ui.logs.adding import Adding

Go = Callable[[str], Awaitable[None]]


class Filter:
    """The filter of a page; `go` is called with a new expression."""

    def __init__(self, here: Here, where: str, go: Go) -> None:
        self._here, self._go = here, go
        self._where = where
        self._adding = Adding(here, self._add)
        with parts.row("search"):
            self._search = forms.line("Search what was said", change=self._searched, wait=350).props("type=search")
            parts.button("Add a filter", self._adding.open)
        self._chips = parts.tag("div", "row chips").props('role="group" aria-label="Filters"')
        self._line = forms.line("Filter", where).classes("expression")
        self._line.props["placeholder"] = "score.rating = good and created_at > now-7d"
        self._line.on("keydown.enter", self._entered).on("blur", self._entered)
        self._wrong = parts.text("pre", "", "wrong").props('role="alert"')
        self.show(where)

    def show(self, where: str) -> None:
        """Show this expression, which can be read."""
        self._where = where
        self.tell(None)
        self._line.value = where
        words = filter_text.searched(where)
        if words != (self._search.value or "").strip():
            self._search.value = words
        self._chips.clear()
        with self._chips:
            for index, one in enumerate(filters.conditions(where)):
                self._chip(index, one)
        self._chips.visible = bool(where.strip())

    def mend(self, where: str, error: InvalidInput) -> None:
        """Show an expression that cannot be read, to be mended."""
        self._line.value = where
        self.tell(error)

    def tell(self, error: InvalidInput | None) -> None:
        """Say what is wrong with the expression, and where."""
        self._wrong.text = "" if error is None else error.message.removeprefix("filter: ")
        self._wrong.visible = error is not None

    def _chip(self, index: int, condition: str) -> None:
        async def remove() -> None:
            await self._go(filter_text.without(self._where, index))

        with parts.tag("span", "chip"):
            parts.text("code", condition)
            parts.button("×", remove, "quiet", label=f"Remove the filter {condition}")

    async def _searched(self, words: str | None) -> None:
        if (words or "").strip() != filter_text.searched(self._where):
            await self._go(filter_text.with_search(self._where, (words or "").strip()))

    async def _entered(self) -> None:
        typed = (self._line.value or "").strip()
        if typed == self._where.strip():
            self.tell(None)
            return
        try:
            filters.parse(typed)
        except InvalidInput as error:
            self.tell(error)
            return
        await self._go(typed)

    async def _add(self, condition: str) -> None:
        await self._go(filter_text.with_condition(self._where, condition))
