"""Playground: two models or prompts asked the same, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from nicegui import ui

from tuneloop import filters
from tuneloop.playground import sheets, streams
from tuneloop.ui import forms, parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.playground import desk as desks
from tuneloop.ui.playground.desk import Desk
from tuneloop.ui.playground.sides import SideCard, prompt_names
from tuneloop.ui.playground.turns import Turns

#: seconds after which what was written is written down
_KEEP_EVERY = 0.5
#: seconds after which the letters that were typed before a key are here
_SETTLE = 0.25
_TURNS = ("user", "assistant")
#: calls and data sets that a question can be taken from at a click
_OFFERED = 8


async def _playground(here: Here) -> None:
    sheet = await here.do(desks.opened, here)
    models = await here.do(desks.model_names, here)
    known = await here.do(prompt_names, here.loop.store)
    desk = Desk(here, sheet)
    with parts.row("between top-line"):
        parts.title("Playground", "Ask two models or prompts the same, and see how their answers differ.")
        with parts.row():
            parts.button("Take a question", _Offer(here).open)
            parts.button("One side" if sheet.both else "Two sides", lambda: _both(desk))
            parts.link("Start anew", f"{here.path}?one=", "plain")
    asking = _Asking(desk)
    with parts.tag("div", "stack desk") as whole:
        await _question(desk)
        _ask_bar(desk, asking)
        with parts.tag("div", "sides" if sheet.both else "sides one"):
            for place in range(2 if sheet.both else 1):
                asking.cards.append(SideCard(desk, place, models, known, partial(asking.ask, [place])))
    for keys in ("keydown.ctrl.enter", "keydown.meta.enter"):
        whole.on(keys, asking.pressed, args=[])
    parts.every(_KEEP_EVERY, desk.keep)
    ui.context.client.on_delete(asking.stop)


async def _both(desk: Desk) -> None:
    desk.change(both=not desk.sheet.both)
    await desk.keep()
    ui.navigate.to(desk.here.url(one="" if desk.sheet.both else "1"))


async def _question(desk: Desk) -> None:
    with parts.card("stack question"):
        with parts.row("between"):
            parts.heading("Question")
            await _source(desk)
        Turns(desk.sheet.messages, lambda said: desk.change(messages=said), adds=_TURNS, whose="of the question")
        fields = parts.live(lambda names: _fields(desk, names), sheets.names(desk.sheet))
        desk.watch(lambda: fields.show(sheets.names(desk.sheet)))
        if desk.sheet.tools:
            parts.text("p", f"The call brings {len(desk.sheet.tools)} tools.", "dim")
        if desk.sheet.reference:
            with parts.tag("details", "setup"):
                with parts.tag("summary"):
                    parts.text("span", "The answer there")
                parts.text("div", desk.sheet.reference, "said")


async def _source(desk: Desk) -> None:
    """Where the question is from."""
    here = desk.here
    kind, _, rest = desk.sheet.source.partition(":")
    with parts.row():
        if kind == "log":
            parts.link("From a call in the log", f"/logs/{rest}")
        elif kind == "dataset" and "dataset" in here.query:
            split, number, count = await here.do(desks.row, here)
            parts.text("span", f"{here.query['dataset']}, {split} row {number + 1} of {count}", "dim")
            if number:
                desk.link("Before", row=str(number - 1), split=split)
            if number + 1 < count:
                desk.link("Next", row=str(number + 1), split=split)


def _fields(desk: Desk, names: list[str]) -> None:
    """A field for each variable."""

    def say(name: str, said: str | None) -> None:
        desk.change(values={**desk.sheet.values, name: said or ""})

    if names:
        with parts.tag("div", "values"):
            for name in names:
                forms.area(name, desk.sheet.values.get(name, ""), change=partial(say, name), wait=150)


def _ask_bar(desk: Desk, asking: _Asking) -> None:
    if not desk.here.may("owner"):
        parts.text("p", "Asking takes the role owner: it costs time, or money.", "dim")
        return
    with parts.row("ask-bar"):
        both = " both" if desk.sheet.both else ""
        ask = parts.button(f"Ask{both}", asking.ask, "main")
        stop = parts.button(f"Stop{both}", asking.stop)
        parts.text("span", "or Ctrl + Enter. Every call is in the log, as of the user playground.", "dim")

    def tell(asks: bool) -> None:
        ask.set_visibility(not asks)
        stop.set_visibility(asks)

    tell(False)
    asking.tell = tell


class _Asking:
    """Asks the sides: at once, but one after the other where both answer on this machine."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asks = False
        self.cards: list[SideCard] = []
        #: is told whether sides are being asked
        self.tell: Callable[[bool], None] = lambda asks: None

    async def ask(self, places: list[int] | None = None) -> None:
        """Ask these sides, by default all; nothing where they are being asked."""
        await self._desk.here.allowed("owner")
        cards = [card for number, card in enumerate(self.cards) if places is None or number in places]
        if self._asks:
            return
        self._asks = True
        self.tell(True)
        try:
            await self._ask(cards)
        finally:
            self._asks = False
            self.tell(False)

    async def pressed(self) -> None:
        """Ask all, when the last letters have come."""
        if self._desk.here.may("owner"):
            await asyncio.sleep(_SETTLE)
            await self.ask()

    async def _ask(self, cards: list[SideCard]) -> None:
        loop = self._desk.here.loop
        models = [side.model for side in sheets.shown(self._desk.sheet)]
        if len(cards) < 2 or not await self._desk.here.do(streams.takes_turns, loop, models):
            await asyncio.gather(*(card.answer.ask() for card in cards))
            return
        for card in cards[1:]:
            card.answer.wait("Waits for the other: both answer on this machine, and would slow each other down.")
        for card in cards:
            if self._asks:
                await card.answer.ask()

    def stop(self) -> None:
        """Let nobody say more, nor begin."""
        self._asks = False
        for card in self.cards:
            card.answer.stop()


class _Offer:
    """The window in which a question is chosen: that of a call, or of a data set's row."""

    def __init__(self, here: Here) -> None:
        self._here = here

    async def open(self) -> None:
        """Show the latest calls and data sets."""
        here, store = self._here, self._here.loop.store
        others = filters.parse(f"not user = {sheets.USER}")
        logs, _ = await here.do(store.logs.page, others, limit=_OFFERED)
        datasets, _ = await here.do(store.datasets.page, limit=_OFFERED)
        with forms.Dialog("Take a question") as dialog:
            if not logs and not datasets:
                parts.text("p", "There are no calls yet. Point your application here first.", "dim")
            for name, rows in (
                ("The latest calls", [(log.input_text or log.id, {"log": log.id}) for log in logs]),
                ("The rows of a data set", [(one.name, {"dataset": one.name}) for one in datasets]),
            ):
                if rows:
                    parts.text("h3", name)
                    with parts.tag("ul", "offered"):
                        for said, query in rows:
                            clean = {"log": None, "dataset": None, "row": None, "split": None}
                            with parts.tag("li"):
                                parts.link(" ".join(said.split())[:120], here.url(**{**clean, **query}))
        dialog.open()


PAGE = page("/playground", "Playground")(_playground)
