"""A side of the playground as a version of a prompt: name, note, and what is new in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from nicegui import ui

from tuneloop import prompts
from tuneloop.pages import text
from tuneloop.playground import sheets
from tuneloop.prompt_types import Draft, Prompt
from tuneloop.ui import forms, parts
from tuneloop.ui.playground.desk import Desk


class Saving:
    """The window in which a side is saved. `saved` is told what it is called then."""

    def __init__(self, desk: Desk, place: int, saved: Callable[[str], Awaitable[None]]) -> None:
        self._desk = desk
        self._place = place
        self._saved = saved
        with forms.Dialog("Save as a prompt") as self._dialog:
            parts.text("p", "A version never changes. Programs ask for it by its name and number.", "dim")
            self._name = forms.line("Name", hint="letters, digits and . _ -", change=lambda _: self._look(), wait=250)
            self._note = forms.line("Note", hint="what is new in it")
            self._with_model = forms.tick("Answered by this side's model, where a call names none")
            self._state = parts.text("p", "", "dim")
            self._diff = parts.tag("div")
            with parts.row("end"):
                parts.button("Not now", self._dialog.close)
                parts.button("Save", self._save, "main")

    async def open(self) -> None:
        """Show it for what the side says now."""
        side = self._desk.sheet.sides[self._place]
        self._name.set_value(side.draft.name)
        self._note.set_value("")
        self._with_model.set_value(side.draft.model is not None)
        self._dialog.open()
        await self._look()

    async def _look(self) -> None:
        """Say what would be new."""
        draft = self._draft()
        before, changes = await self._desk.here.do(sheets.diff, self._desk.here.loop.store, draft)
        self._state.set_text(_state(draft.name, before, changes))
        self._diff.clear()
        with self._diff:
            if changes:
                _show(changes)

    def _draft(self) -> Draft:
        side = self._desk.sheet.sides[self._place]
        model = side.model if self._with_model.value else None
        return replace(side.draft, name=(self._name.value or "").strip(), note=self._note.value or None, model=model)

    async def _save(self) -> None:
        here = self._desk.here
        await here.allowed("owner")
        draft = prompts.read({**asdict(sheets.tidy(self._draft()))})
        kept = await here.do(prompts.save, here.loop.store, draft)
        made = kept.prompt
        self._dialog.close()
        parts.tell(f"Saved as {made.reference}" if kept.is_new else f"That is {made.reference} already")
        self._desk.change_side(
            self._place, loaded=made.reference, draft=await here.do(sheets.load, here.loop.store, made.reference)
        )
        await self._saved(made.reference)


def _state(name: str, before: Prompt | None, changes: str) -> str:
    if not name:
        return "Give it a name."
    if before is None:
        return f"This will be {name}@1."
    if not changes:
        return f"{before.reference} says the same already."
    return f"This will be {name}@{before.version + 1}. What changes since {before.reference}:"


def _show(changes: str) -> None:
    """A unified diff, its lines marked."""
    lines = []
    for line in changes.splitlines()[2:]:
        kind = {"+": "ins", "-": "del"}.get(line[:1], "span")
        lines.append(f"<{kind}>{text(line)}</{kind}>")
    ui.html(f'<pre class="diff" tabindex="0">{"<br/>".join(lines)}</pre>', sanitize=False)
