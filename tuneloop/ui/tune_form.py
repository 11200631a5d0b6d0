"""The form of the page Tune: four fields, the rest folded away. What is filled in stands in the URL."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from tuneloop import tuning
from tuneloop.errors import TuneloopError
from tuneloop.measured import Unwanted
from tuneloop.ui import forms, parts, tune_fields
from tuneloop.ui.here import Here
from tuneloop.ui.tune_fields import CARES, FOLDED, GROUPS, METHODS, Hyperparameter
from tuneloop.ui.tune_panel import Panel
from tuneloop.ui.tune_wish import Shelf, wish

#: seconds after the last change before anything is looked at
_PAUSE = 0.4


class Form:
    """The fields, and what is known of them in the panel beside."""

    def __init__(self, here: Here, shelf: Shelf) -> None:
        self._here = here
        self._shelf = shelf
        self._turn = 0
        self._starting = False
        self._client = ui.context.client
        with parts.tag("div", "tune"):
            with parts.card("stack tune-form"):
                self._fields()
                self._fold()
                with parts.row("end"):
                    self._button = parts.button("Tune", self._start, "main")
            self._panel = Panel()
        self._panel.looking()
        ui.timer(0.01, self._look, once=True)

    def _fields(self) -> None:
        query, shelf = self._here.query, self._shelf
        with parts.tag("div", "tune-fields"):
            forms.choice("Data set", shelf.datasets, _in(shelf.datasets, query.get("dataset")),
                         hint="What it learns from", change=self._another_dataset)  # fmt: skip
            forms.choice("Model", shelf.models, _in(shelf.models, query.get("model") or shelf.usual),
                         hint="What is tuned: small is fast and cheap", change=self._setter("model"))  # fmt: skip
            self._name = forms.line("Name", query.get("name") or _name(query.get("dataset")),
                                    hint="Part of the tuned model's name", change=self._setter("name"))  # fmt: skip
            self._care = forms.choice("How thorough", CARES, _in(CARES, query.get("care")) or "usual",
                                      hint="How often it reads the rows", change=self._setter("care"))  # fmt: skip

    def _fold(self) -> None:
        query = self._here.query
        with parts.tag("details", "tune-more") as more:
            if any(query.get(name) for name in FOLDED):
                more.props("open")
            parts.text("summary", "More choices")
            with parts.tag("div", "stack"):
                with parts.tag("div", "tune-fields"):
                    method = query.get("method")
                    names = {name: word for name, (word, _) in METHODS.items()}
                    forms.choice("Learns from", names, _in(names, method) or "supervised", change=self._another_method)
                    forms.choice("Instructions", self._shelf.prompts, query.get("prompt", ""),
                                 hint="A short prompt in place of the rows' own, which it learns by heart",
                                 change=self._setter("prompt"))  # fmt: skip
                self._sentence = parts.text("p", "", "dim")
                self._rest = parts.tag("div", "stack")
        self._draw_rest()

    def _draw_rest(self) -> None:
        """What depends on the method."""
        method = self._here.query.get("method", "supervised")
        self._sentence.set_text(METHODS.get(method, ("", ""))[1])
        self._rest.clear()
        with self._rest:
            for title, group in GROUPS.items():
                if found := [one for one in group if one.belongs(method)]:
                    parts.text("h3", title)
                    with parts.tag("div", "tune-fields"):
                        for one in found:
                            self._field(one)
                        if group is GROUPS["How it learns"]:
                            self._grader(method)
                            forms.number("Seed", _float(self._here.query.get("seed")), change=self._setter("seed"),
                                         hint="The same seed gives the same model")  # fmt: skip

    def _grader(self, method: str) -> None:
        given = self._here.query.get("grader", "")
        if method == "reinforcement":
            there = f"Here: {', '.join(self._shelf.kept)}" if self._shelf.kept else "See docs/reinforcement.md"
            forms.area("Grader", given, hint=f"Its name, or its JSON. {there}", change=self._setter("grader"))
        else:
            graders = dict(self._shelf.graders)
            graders.setdefault(given, "as the URL says")
            forms.choice("Best epoch by", graders, given, hint="What picks the epoch that is kept",
                         change=self._setter("grader"))  # fmt: skip

    def _field(self, one: Hyperparameter) -> None:
        given, change = self._here.query.get(one.name, ""), self._setter(one.name)
        if one.kind == "truth":
            forms.tick(one.label, given == "true", change=change)
        elif one.kind == "choice":
            options = {"": "as usual"} | {name: name for name in one.options}
            forms.choice(one.label, options, _in(options, given) or "", hint=one.hint, change=change)
        elif one.kind == "names":
            forms.line(one.label, given, hint=one.hint, change=change)
        else:
            forms.number(one.label, _float(given), hint=one.hint, change=change)

    def _setter(self, name: str) -> Callable[[Any], Awaitable[None]]:
        def change(value: Any) -> Awaitable[None]:
            self._here.remember(**{name: _text(value)})
            return self._look()

        return change

    async def _another_dataset(self, value: str) -> None:
        if self._name.value == _name(self._here.query.get("dataset")):
            self._name.set_value(_name(value))
        await self._setter("dataset")(value)

    async def _another_method(self, value: str) -> None:
        self._here.remember(method=None if value == "supervised" else value, grader=None)
        self._draw_rest()
        await self._look()

    async def _look(self) -> None:
        """Show what is known of what is filled in, and measure what is not."""
        self._turn += 1
        turn = self._turn
        await asyncio.sleep(_PAUSE if turn > 1 else 0)

        def wanted() -> bool:
            return turn == self._turn and not self._client.is_deleted

        if not wanted():
            return
        try:
            await self._know(dict(self._here.query), wanted)
        except Unwanted:
            return
        except TuneloopError as error:
            if wanted():
                self._allow(False)
                self._panel.wrong(error.message)

    async def _know(self, query: dict[str, str], wanted: Callable[[], bool]) -> None:
        known = (await self._here.do(wish, self._here.loop, query)).estimate
        if not wanted():
            return
        self._words(known.epochs)
        self._allow(not known.problems)
        self._panel.show(known)
        if known.seconds is not None or known.problems:
            return
        self._panel.measuring(known)
        known = (await self._here.do(wish, self._here.loop, query, measured=True, wanted=wanted)).estimate
        if wanted():
            self._allow(not known.problems)
            self._panel.show(known)

    def _words(self, epochs: Any) -> None:
        if epochs:
            shown = {care: f"{word} · {epochs[care]} times over the rows" for care, word in CARES.items()}
            if shown != self._care.options:
                self._care.set_options(shown)

    def _allow(self, may: bool) -> None:
        if may:
            self._button.props(remove="disabled")
        else:
            self._button.props("disabled")

    async def _start(self) -> None:
        await self._here.allowed("owner")
        if self._starting:
            return
        self._starting = True
        self._turn += 1  # the machine has better things to do now than to measure
        try:
            asked = await self._here.do(wish, self._here.loop, dict(self._here.query))
            job = await self._here.do(tuning.create, self._here.loop, asked.dataset, asked.recipe)
            await self._here.do(self._here.loop.line_up, job)
            ui.navigate.to(f"/jobs/{job.id}")
        finally:
            self._starting = False


def _in(options: Any, value: str | None) -> str | None:
    return value if value in options else None


def _name(dataset: str | None) -> str:
    return "" if dataset is None or dataset.startswith("ds_") else dataset[:64]


def _float(text: str | None) -> float | None:
    try:
        return tune_fields.number(text, "") if text else None
    except TuneloopError:
        return None


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return None if value is None else str(value)
