"""What graders ask of people, one question at a time: a label, or a number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from nicegui import ui

from tuneloop import grading
from tuneloop.errors import InvalidInput
from tuneloop.grader_types import Review
from tuneloop.store import Store
from tuneloop.ui import forms, parts, writing
from tuneloop.ui.here import Here
from tuneloop.ui.log import path
from tuneloop.ui.sitting import MOST, Key, Mark, Sitting, since

#: numbers that have a key each; those between are typed
_STEPS = 5


async def review(here: Here) -> None:
    """The questions of the grader that the URL names. Raises NotFound."""
    began = since(here)
    grader, found = await here.do(_waiting, here, here.query["grader"], began)
    parts.title(f"Review for {grader}", "This grader asks people. What you say is its score, for exactly this content.")
    if not found:
        with parts.empty("No question waits", f"Everything that {grader} has asked is answered."):
            parts.link("Review calls", "/review", "main")
        return
    here.query["since"] = f"{began:.3f}"
    mode = _Questions(here, grader, choices(found[0]))
    done = sorted((one for one in found if one.answered_at is not None), key=lambda one: one.answered_at or 0.0)
    own = [(one.id, mark(here.loop.store, one)) for one in done if one.user == here.session.name]
    mode.sitting = Sitting(here, mode, [one.id for one in found], own, more=len(found) == MOST)
    await mode.sitting.begin()


def choices(question: Review) -> dict[str, str | float]:
    """key -> what it says of a question like this one: its labels, or numbers from its range."""
    if question.labels:
        return {str(number): label for number, label in enumerate(question.labels[:9], 1)}
    low, high = question.low, question.high
    if low.is_integer() and high.is_integer() and 1 < high - low < 10 and low >= 0 and high < 10:
        return {str(number): float(number) for number in range(int(low), int(high) + 1)}
    return {str(step + 1): low + (high - low) * step / (_STEPS - 1) for step in range(_STEPS)}


def mark(store: Store, answered: Review) -> Mark:
    """What was said of a question."""
    good = answered.reward is not None and answered.reward >= (answered.low + answered.high) / 2
    undo = partial(grading.take_back, store, answered.grader, answered.id)
    return Mark(_shown(answered.value), "good" if good else "bad", undo)


def _waiting(here: Here, name: str, began: float) -> tuple[str, list[Review]]:
    store = here.loop.store
    waiting = store.reviews.waiting()
    grader = name if name in waiting else grading.find(store, name, "grader").name
    return grader, grading.sitting(store, grader, began, limit=MOST)


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)[:40]


class _Questions:
    """Questions of one grader. One whose labels are others has its own buttons."""

    sitting: Sitting[Review]

    def __init__(self, here: Here, grader: str, keys: dict[str, str | float]) -> None:
        self._here = here
        self._store = here.loop.store
        self._grader = grader
        self.keys: Sequence[Key] = [Key(key, _shown(value), "say this") for key, value in keys.items()]

    def load(self, thing: str) -> Review:
        """The question."""
        return self._store.reviews.get(thing)

    def build(self) -> None:
        """The question above what it is about."""
        with parts.card("stack"):
            self._question = parts.text("h2", "")
            self._about = ui.html("", sanitize=False).classes("sitting-about")
            self._texts = ui.html("", sanitize=False).classes("conversation spoken")
        self._place = parts.tag("div", "row sitting-exact")

    def show(self, shown: Review) -> None:
        """Fill the elements."""
        self._question.text = shown.question
        open_log = shown.subject and self._here.may("viewer")
        self._about.content = f'<a href="{path(shown.subject)}">Open the call</a>' if open_log and shown.subject else ""
        self._texts.content = "<hr>".join(writing.written(one) for one in shown.shown)
        self._place.clear()
        if self._here.may("reviewer"):
            with self._place:
                self._exact(shown)
        ui.run_javascript("window.scrollTo({top: 0})")

    async def judge(self, key: str, shown: Review) -> Mark | None:
        """Say what the key stands for."""
        known = choices(shown)
        if key not in known:
            raise InvalidInput(f"This question has no answer number {key}.")
        return await self._say(shown, known[key])

    def finished(self) -> None:
        """Back to the calls."""
        parts.link("Review calls", "/review", "main")

    def _exact(self, shown: Review) -> None:
        """What no key says: a number between, a label behind the ninth, those of a question that differs."""
        if not shown.labels:
            field = forms.number(f"Or a number from {shown.low:g} to {shown.high:g}", low=shown.low, high=shown.high)
            field.on("keydown.enter", lambda: self._given(shown, field.value))
            parts.button("Say it", lambda: self._given(shown, field.value))
            return
        keyed = {key.said for key in self.keys}
        for label in [one for one in shown.labels if _shown(one) not in keyed]:
            parts.button(label, partial(self._given, shown, label))

    async def _given(self, shown: Review, value: Any) -> None:
        if value is None:
            raise InvalidInput(f"Give a number from {shown.low:g} to {shown.high:g}.")
        await self.sitting.said(lambda: self._say(shown, value))

    async def _say(self, shown: Review, value: Any) -> Mark:
        await self._here.allowed("reviewer")
        given = {"id": shown.id, "value": value, "user": self._here.session.name}
        return mark(self._store, await self._here.do(grading.answer, self._store, self._grader, given))
