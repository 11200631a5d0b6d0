"""A blind vote: a question, two answers without names, and which is better. The keys are 1, 2, 0 and s."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from nicegui import events, ui

from tuneloop.reports.numbers import listed, word
from tuneloop.types import Evaluation
from tuneloop.ui import forms, parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

if TYPE_CHECKING:
    from tuneloop.votes import Ballot, Pair


async def _vote(here: Here) -> None:
    from tuneloop import votes  # brings in SciPy, and a server is to start at once

    await here.allowed("reviewer")
    found = await here.do(here.loop.store.evaluations.get, str(here.names["evaluation_id"]))
    asked = votes.pair(found, here.query.get("baseline"), here.query.get("candidate"))
    parts.title("Which answer is better?", "Two models answered. You are not told which is which; that is the point.")
    booth = _Booth(here, found, asked)
    booth.place = parts.tag("div", "stack wide booth").props('aria-live="polite"')
    await booth.show(here.query.get("row"))
    ui.keyboard(booth.key, ignore=["input", "select", "textarea"])
    _others(here, found, asked)


class _Booth:
    """Where somebody votes, one row after the other."""

    place: ui.element

    def __init__(self, here: Here, evaluation: Evaluation, asked: Pair) -> None:
        self._here, self._evaluation, self._asked = here, evaluation, asked
        self._ballot: Ballot | None = None
        #: rows that were shown before, to go back to
        self._before: list[str] = []

    async def show(self, row: str | None = None, *, after: str | None = None) -> None:
        """Show this row, or the next one to vote on."""
        from tuneloop import votes

        self._ballot = None  # what is pressed until then is not meant for the next row
        store, user = self._here.loop.store, self._here.session.name
        found = await self._here.do(votes.ballot, store, self._evaluation, self._asked, user, after=after, row=row)
        said = [] if found else await self._here.do(votes.results, store, self._evaluation)
        with self.place:  # the button that was pressed is about to go
            self._here.remember(row=found.row_id if found else None)
            self.place.clear()
            if found is None:
                _done(self._evaluation, [one.sentence for one in said if one.pair == self._asked])
            else:
                self._draw(found)
        self._ballot = found

    async def key(self, event: events.KeyEventArguments) -> None:
        """Vote by a key."""
        if not event.action.keydown or event.action.repeat or self._ballot is None:
            return
        if event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt:
            return
        pressed = str(event.key.name).lower()
        if pressed in ("0", "1", "2"):
            await self._cast(int(pressed))
        elif pressed == "s":
            await self._skip()
        elif pressed == "b":
            await self._back()

    def _draw(self, ballot: Ballot) -> None:
        with parts.row("between"):
            parts.text("span", f"{ballot.done:,} of {ballot.total:,} voted on", "dim")
            with parts.tag("div", "grow"):
                parts.progress(ballot.done / ballot.total if ballot.total else 0.0, "voted on")
        with parts.card():
            parts.text("h2", "Question")
            parts.text("p", ballot.question, "said")
            if ballot.reference:
                with parts.tag("details"):
                    parts.text("summary", "What the data set has as right")
                    parts.text("p", ballot.reference, "said")
        with parts.tag("div", "pair"):
            for number, said in enumerate(ballot.answers, 1):
                with parts.card():
                    parts.text("h3", f"Answer {number}")
                    parts.text("p", said or "(nothing)", "said grow")
                    self._button(f"{number} is better", str(number), number)
        with parts.row("center"):
            self._button("No difference", "0", 0)
            _keyed("Skip", "s", self._skip)
            if self._before:
                _keyed("Back", "b", self._back)

    def _button(self, said: str, key: str, choice: int) -> None:
        _keyed(said, key, lambda: self._cast(choice), weight="main" if choice else "plain")

    async def _cast(self, choice: int) -> None:
        from tuneloop import votes

        await self._here.allowed("reviewer")
        ballot, self._ballot = self._ballot, None
        if ballot is None:
            return
        request = {"row_id": ballot.row_id, "choice": choice, "user": self._here.session.name}
        await self._here.do(votes.cast, self._here.loop.store, self._evaluation, self._asked, request)
        self._before.append(ballot.row_id)
        await self.show(after=ballot.row_id)

    async def _skip(self) -> None:
        ballot, self._ballot = self._ballot, None
        if ballot is not None:
            self._before.append(ballot.row_id)
            await self.show(after=ballot.row_id)

    async def _back(self) -> None:
        if self._ballot is not None and self._before:
            await self.show(self._before.pop())


def _keyed(said: str, key: str, click: Any, weight: parts.Weight = "plain") -> None:
    with parts.button(said, click, weight).props(f'aria-keyshortcuts="{key}"'):
        parts.text("kbd", key)


def _done(evaluation: Evaluation, said: list[str]) -> None:
    with parts.empty("That was all", " ".join(said) or "The two never gave different answers."):
        parts.link("Back to the comparison", f"/compare/{quote(evaluation.id)}", "main")


def _others(here: Here, found: Evaluation, asked: Pair) -> None:
    """Two other arms to vote on."""
    names = [word(arm.get("name")) for arm in listed(found.report.get("arms"))]
    if len(names) < 3:
        return

    def other(**chosen: str) -> None:
        ui.navigate.to(here.url(row=None, **{**asked._asdict(), **chosen}))

    with parts.tag("details", "other-arms"):
        parts.text("summary", "Vote on other models")
        with parts.tag("div", "fields"):
            forms.choice("One", names, asked.baseline, change=lambda name: other(baseline=name))
            forms.choice("The other", names, asked.candidate, change=lambda name: other(candidate=name))


PAGE = page("/compare/{evaluation_id}/vote", "Vote")(_vote)
