"""What people think of a call, where they say it: thumbs and a correction at the answer, any score beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from tuneloop import datasets, scores
from tuneloop.errors import NotFound
from tuneloop.pages import text
from tuneloop.types import Log, Message, Score
from tuneloop.ui import corrections, forms, parts
from tuneloop.ui.corrections import Editor
from tuneloop.ui.here import Here
from tuneloop.ui.parts import Tone
from tuneloop.ui.tables import when

Listener = Callable[[Sequence[Score]], None]


class Scoring:
    """The scores of one Log, as one browser sees and gives them."""

    def __init__(self, here: Here, log: Log, found: Sequence[Score]) -> None:
        self.here = here
        self.log = log
        self.scores = found
        self._listeners: list[Listener] = []
        self._one_by_one = asyncio.Lock()

    def listen(self, listener: Listener) -> None:
        """Call this with the scores, now and whenever they have changed."""
        self._listeners.append(listener)
        listener(self.scores)

    async def look(self) -> None:
        """See what others have said meanwhile."""
        found = (await self.here.do(self.here.loop.store.scores.of, [self.log.id]))[self.log.id]
        if found != self.scores:
            self.scores = found
            for listener in self._listeners:
                listener(found)

    async def give(self, **fields: Any) -> Score:
        """Score the Log, as the one who is signed in."""
        await self.here.allowed("reviewer")
        made = await self.here.do(give, self.here, self.log.id, **fields)
        await self.look()
        return made

    async def take_back(self, score: Score) -> None:
        """Forget a score that one may forget."""
        await self.here.allowed("reviewer" if is_own(self.here, score) else "owner")
        try:
            await self.here.do(scores.take_back, self.here.loop.store, score.id)
        finally:
            await self.look()

    async def thumb(self, value: str) -> None:
        """Rate good or bad; the same again takes it back, if it was one's own."""
        async with self._one_by_one:
            last = rating(self.scores)
            if last is None or last.correction or last.value != value or not is_own(self.here, last):
                await self.give(value=value)
                return
            try:
                await self.take_back(last)
            except NotFound:
                pass  # somebody did so in another window


def give(here: Here, log_id: str, **fields: Any) -> Score:
    """Score a Log in the name of who is signed in."""
    said = {"log_id": log_id, "user": here.session.name, "source": "annotator", **fields}
    return scores.give(here.loop.store, said)


def corrected(here: Here, log_id: str, better: Message) -> Score:
    """Keep the better answer; what was said instead is a bad one."""
    return give(here, log_id, value="bad", correction=better)


def rating(found: Sequence[Score]) -> Score | None:
    """The rating that counts: the latest."""
    return next((score for score in reversed(found) if score.name == "rating" and score.value is not None), None)


def correction(found: Sequence[Score]) -> Score | None:
    """The correction that counts: the latest."""
    return next((score for score in reversed(found) if score.correction), None)


def is_own(here: Here, score: Score) -> bool:
    """Whether somebody gave this score here."""
    return score.source == "annotator" and score.user == here.session.name


def tone(score: Score) -> Tone:
    """How a score's value looks."""
    thumb = datasets.thumb(score)
    return "plain" if thumb is None else "good" if thumb else "bad"


class Thumbs:
    """Good, bad, and the answer as it should have been, below the answer itself."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._better = ui.html("", sanitize=False).classes("log-better")
        self._place = parts.tag("div", "stack writing-place")
        self._buttons: dict[str, ui.element] = {}
        if scoring.here.may("reviewer"):
            with parts.row("log-thumbs"):
                for value in ("good", "bad"):
                    self._buttons[value] = parts.button(value.title(), partial(scoring.thumb, value)).classes(value)
                parts.button("Correct", self._edit, label="Correct the answer")
        scoring.listen(self._show)

    def _show(self, found: Sequence[Score]) -> None:
        last, better = rating(found), correction(found)
        thumb = None if last is None else datasets.thumb(last)
        for value, button in self._buttons.items():
            button.props["aria-pressed"] = "true" if thumb is (value == "good") else "false"
            button.update()
        said = corrections.answer_of(self._scoring.log)
        marks = "" if better is None or not better.correction else corrections.marked(said, better.correction)
        self._better.content = f"<h3>Corrected</h3>{marks}" if marks else ""
        self._better.visible = bool(marks)

    def _edit(self) -> None:
        said = corrections.answer_of(self._scoring.log)
        better = correction(self._scoring.scores)
        self._place.clear()
        with self._place:
            begin = better.correction if better is not None and better.correction else said
            Editor(said, begin, save=self._save, close=self._place.clear)

    async def _save(self, better: Message) -> None:
        await self._scoring.give(value="bad", correction=better)
        parts.tell("The correction is kept. A model that is tuned on this call learns it.")
        self._place.clear()


class Scores:
    """Every score with who gave it and when; and any name, value and comment to add."""

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        parts.heading("Scores")
        self._place = parts.tag("div", "log-scores")
        scoring.listen(self._draw)
        if scoring.here.may("reviewer"):
            with parts.tag("details"):
                parts.text("summary", "Add a score or a comment")
                with parts.tag("div", "stack form"):
                    self._form()

    def _draw(self, found: Sequence[Score]) -> None:
        self._place.clear()
        with self._place:
            if not found:
                parts.text("p", "Nobody has scored this call yet.", "dim")
            for score in reversed(found):
                self._score(score)

    def _score(self, score: Score) -> None:
        with parts.tag("article", "log-score"):
            with parts.row():
                parts.text("strong", score.name)
                if score.value is not None:
                    parts.badge(shown(score.value), tone(score))
                if score.correction:
                    parts.badge("corrected", "accent")
            if score.comment:
                parts.text("p", score.comment, "as-is")
            with parts.row("by"):
                who = f"{score.user} ({score.source})" if score.user else score.source
                ui.html(f"<small>{text(who)}, {when(score.created_at).markup}</small>", sanitize=False)
                if self._scoring.here.may("reviewer" if is_own(self._scoring.here, score) else "owner"):
                    label = f"Take back {score.name} {'' if score.value is None else shown(score.value)}".strip()
                    parts.button("Take back", partial(self._scoring.take_back, score), "quiet", label=label)

    def _form(self) -> None:
        name = forms.line("Name", "label", hint="Such as topic, tone or helpful.")
        value = forms.line("Value", hint="A word, a number, true or false.")
        comment = forms.area("Comment")

        async def save() -> None:
            said = (value.value or "").strip()
            fields = {
                "value": scores.value_of(said) if said else None,
                "comment": (comment.value or "").strip() or None,
            }
            await self._scoring.give(name=(name.value or "").strip(), **fields)
            value.value = comment.value = ""

        with parts.row("end"):
            parts.button("Save score", save, "main")


def shown(value: bool | float | str) -> str:
    """A score's value in few characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.4g}" if isinstance(value, float) else value[:80]
