"""One score for many calls: those that are chosen, or all that match."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from tuneloop import bulk_scores, scores
from tuneloop.errors import InvalidInput
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here


class Choice(NamedTuple):
    """Which calls: some by their ids, else all that match a filter; and how many these are, in words."""

    ids: Sequence[str]
    where: str
    said: str


class Many:
    """Buttons that score many at once; `choice` says which, `after` is called when they are."""

    def __init__(self, here: Here, choice: Callable[[], Choice], after: Callable[[], Awaitable[None]]) -> None:
        self._here, self._choice, self._after = here, choice, after
        parts.button("Rate good", self._good)
        parts.button("Rate bad", self._bad)
        parts.button("Other score", self._open)
        self._dialog = forms.Dialog("Score many at once")
        with self._dialog:
            self._which = parts.text("p", "", "dim")
            self._name = forms.line("Score", "rating", hint="what is scored: rating, topic, tone, ...")
            self._value = forms.line("Its value", hint="good, bad, true, 0.7, or a label")
            with parts.row("end"):
                parts.button("Cancel", self._dialog.close)
                parts.button("Score them", self._typed, "main")

    async def _good(self) -> None:
        await self._rate("good")

    async def _bad(self) -> None:
        await self._rate("bad")

    async def _rate(self, value: str) -> None:
        choice = self._choice()
        why = "Each gets a new rating. A data set takes the latest of each call."
        if choice.ids or await forms.sure(f"Rate {choice.said} {value}?", why, f"Rate them {value}", danger=False):
            await self._give(choice, name="rating", value=value)

    def _open(self) -> None:
        self._which.text = f"{self._choice().said[:1].upper()}{self._choice().said[1:]} get this score."
        self._dialog.open()

    async def _typed(self) -> None:
        name, value = (self._name.value or "").strip(), (self._value.value or "").strip()
        if not name or not value:
            raise InvalidInput("Give the score a name and a value.", param="value")
        self._dialog.close()
        await self._give(self._choice(), name=name, value=scores.value_of(value))

    async def _give(self, choice: Choice, **said: Any) -> None:
        await self._here.allowed("reviewer")
        chosen: dict[str, Any] = {"ids": list(choice.ids)} if choice.ids else {"where": choice.where}
        by = {"user": self._here.session.name, "source": "annotator"}
        count = await self._here.do(bulk_scores.give, self._here.loop.store, {**chosen, **said, **by})
        parts.tell(f"{count:,} {'call' if count == 1 else 'calls'} scored: {said['name']} {said['value']}")
        await self._after()
