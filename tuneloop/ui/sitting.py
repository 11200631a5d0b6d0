"""Judging one thing after another with a key each: what is to be judged, where one is, what was said, undo.

A sitting begins at a moment that its URL keeps, and consists of what nobody had judged by then: reloaded, it is the
same, with what has been said in it. What comes next is fetched before it is asked for.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from nicegui import background_tasks, events, ui

from tuneloop.errors import NotFound
from tuneloop.pages import text
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here
from tuneloop.ui.parts import Tone

T = TypeVar("T")

#: things of one sitting
MOST = 2000
#: things ahead that are fetched before they are asked for
_AHEAD = 3


class Mark(NamedTuple):
    """What was said of one thing, and how to unsay it (blocking)."""

    word: str
    tone: Tone
    undo: Callable[[], object]


class Key(NamedTuple):
    """A key that judges, and what it says."""

    key: str
    said: str
    meaning: str


class Mode(Protocol[T]):
    """What is judged: a call, a grader's question."""

    #: those who may judge have these
    keys: Sequence[Key]

    def load(self, thing: str) -> T:
        """Fetch it (blocking)."""
        ...

    def build(self) -> None:
        """Make the elements that `show` fills."""
        ...

    def show(self, shown: T) -> None:
        """Show this one."""
        ...

    async def judge(self, key: str, shown: T) -> Mark | None:
        """Do what a key says; None when nothing has been said by it yet."""
        ...

    def finished(self) -> None:
        """Say what to do after the last one."""
        ...


def since(here: Here) -> float:
    """When the sitting began."""
    try:
        moment = float(here.query["since"])
    except (KeyError, ValueError):
        return time.time()
    return min(moment, time.time()) if math.isfinite(moment) else time.time()


class Sitting(Generic[T]):
    """One person before a row of things; `done` is what they have said of them before a reload, oldest first."""

    def __init__(
        self, here: Here, mode: Mode[T], things: Sequence[str], done: Sequence[tuple[str, Mark]], *, more: bool = False
    ) -> None:
        self._here = here
        self._mode = mode
        self._things = list(things)
        self._more = more
        self._undo = list(done)
        self._marks = {thing: mark for thing, mark in done}
        self._skipped = 0
        self._ready: dict[str, asyncio.Task[T]] = {}
        self._lock = asyncio.Lock()
        self._busy = False
        wanted = here.query.get("at")
        self._at = things.index(wanted) if wanted in things else self._first()

    def _first(self) -> int:
        return next(
            (number for number, thing in enumerate(self._things) if thing not in self._marks), len(self._things)
        )

    async def begin(self) -> None:
        """Draw it."""
        with parts.tag("div", "stack wide sitting"):
            self._draw()
        self._help = self._explain()
        ui.keyboard(self._pressed, ignore=["input", "select", "textarea"])
        await self._show()

    def _draw(self) -> None:
        with parts.row("between sitting-head"):
            self._place = parts.text("p", "", "sitting-where").props('role="status"')
            self._tally = ui.html("", sanitize=False).classes("sitting-tally")
        self._bar = parts.progress(0.0, "How far this sitting is")
        with parts.tag("div", "stack wide") as self._stage:
            self._mode.build()
        with parts.tag("div", "stack wide") as self._end:
            self._over()
        self._keys()

    def _over(self) -> None:
        with parts.empty("That was the last one", "Thank you. What was said here is what the next model learns from."):
            self._mode.finished()

    def _keys(self) -> None:
        may = self._here.may("reviewer")
        judging = [*self._mode.keys, Key("x", "Skip", "say nothing of this one"), Key("u", "Undo", "unsay the last")]
        with parts.tag("div", "sitting-keys").props('role="group" aria-label="What to do with this one"'):
            for key in [Key("k", "Previous", ""), *(judging if may else ()), Key("j", "Next", "")]:
                made = parts.button(key.said, partial(self.press, key.key)).classes(f"key-{key.said.lower()}")
                with made:
                    parts.text("kbd", key.key).props('aria-hidden="true"')
            with parts.button("", lambda: self._help.open(), "quiet", label="Help with the keys"):
                parts.text("kbd", "?")

    def _explain(self) -> forms.Dialog:
        moves = [Key("j", "Next", "go on to the next one"), Key("k", "Previous", "back to the one before")]
        rest = [Key("x", "Skip", "say nothing of this one"), Key("u", "Undo", "unsay what was said last")]
        keys = [*moves, *self._mode.keys, *rest] if self._here.may("reviewer") else moves
        with (made := forms.Dialog("Keys")), parts.tag("dl", "sitting-help"):
            for key in [*keys, Key("?", "Help", "show this"), Key("Esc", "Close", "close this, or an open correction")]:
                with parts.tag("dt"):
                    parts.text("kbd", key.key)
                parts.text("dd", f"{key.said}: {key.meaning}")
        return made

    async def _pressed(self, event: events.KeyEventArguments) -> None:
        held = event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta
        if not event.action.keydown or held or (event.action.repeat and event.key.name not in ("j", "k")):
            return
        if event.key.name == "?":
            self._help.open()
        elif event.key.name in self._known():
            await self.press(str(event.key.name))

    def _known(self) -> set[str]:
        judging = {key.key for key in self._mode.keys} | {"x", "u"} if self._here.may("reviewer") else set()
        return judging | {"j", "k"}

    async def press(self, key: str) -> None:
        """Do what a key says; keys that are pressed meanwhile wait for their turn."""
        if self._busy:
            parts.tell("Save or cancel what you are writing first.", "bad")
            return
        async with self._lock:
            match key:
                case "j":
                    await self._go(self._at + 1)
                case "k":
                    await self._go(self._at - 1)
                case "x":
                    self._skipped += self._at < len(self._things)
                    await self._go(self._at + 1)
                case "u":
                    await self._unsay()
                case _ if self._at < len(self._things):
                    mark = await self._mode.judge(key, await self._load(self._at))
                    if mark is not None:
                        await self._say(mark)

    def pause(self, busy: bool) -> None:
        """Let keys do nothing, while something is written."""
        self._busy = busy

    async def said(self, work: Callable[[], Awaitable[Mark]]) -> None:
        """Judge the one that is shown by what takes more than a key."""
        async with self._lock:
            await self._say(await work())

    async def _say(self, mark: Mark) -> None:
        thing = self._things[self._at]
        self._marks[thing] = mark
        self._undo.append((thing, mark))
        self._ready.pop(thing, None)
        await self._go(self._at + 1)

    async def _unsay(self) -> None:
        if not self._undo:
            parts.tell("There is nothing to undo in this sitting.", "bad")
            return
        await self._here.allowed("reviewer")
        thing, mark = self._undo.pop()
        try:
            await self._here.do(mark.undo)
        except NotFound:
            pass  # taken back on another page
        before = [one for known, one in self._undo if known == thing]
        if before:
            self._marks[thing] = before[-1]
        else:
            self._marks.pop(thing, None)
        self._ready.pop(thing, None)
        await self._go(self._things.index(thing))

    async def _go(self, at: int) -> None:
        self._at = min(max(at, 0), len(self._things))
        await self._show()

    async def _show(self) -> None:
        """Show where one is; then fetch what comes next."""
        while self._at < len(self._things):
            try:
                self._mode.show(await self._load(self._at))
                break
            except NotFound:
                del self._things[self._at]  # deleted since the sitting began
        over = self._at >= len(self._things)
        self._stage.visible, self._end.visible = not over, over
        total = f"{len(self._things):,}" + (", and there are more" if self._more else "")
        self._place.text = f"{min(self._at + 1, len(self._things)):,} of {total}"
        self._bar.props["value"] = f"{self._at / max(len(self._things), 1):.4f}"
        self._bar.update()
        self._tally.content = self._counted()
        self._here.remember(at=None if over else self._things[self._at])
        for thing in self._things[self._at + 1 : self._at + 1 + _AHEAD]:
            self._fetch(thing)
        near = set(self._things[max(self._at - _AHEAD, 0) : self._at + 1 + _AHEAD])
        self._ready = {thing: task for thing, task in self._ready.items() if thing in near}

    def _counted(self) -> str:
        """What was said in this sitting, in numbers; and what of the one that is shown."""
        here = self._marks.get(self._things[self._at]) if self._at < len(self._things) else None
        words = Counter((mark.word, mark.tone) for mark in self._marks.values())
        told = [f'<span class="badge {tone}">{count:,} {text(word)}</span>' for (word, tone), count in words.items()]
        if self._skipped:
            told.append(f'<span class="badge plain">{self._skipped:,} skipped</span>')
        now = f'<span class="sitting-now">This one: {text(here.word)}</span>' if here else ""
        return now + "".join(told)

    async def _load(self, at: int) -> T:
        return await self._fetch(self._things[at])

    def _fetch(self, thing: str) -> asyncio.Task[T]:
        if thing not in self._ready:
            work: Any = self._here.do(self._mode.load, thing)
            self._ready[thing] = background_tasks.create(work, name=f"fetch {thing}", handle_exceptions=False)
        return self._ready[thing]
