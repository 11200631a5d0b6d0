"""The rows of one kind of finding, before and after its fix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from tuneloop import doctor
from tuneloop.checks.examination import Ranked
from tuneloop.checks.kinds import KINDS
from tuneloop.checks.rows import Row
from tuneloop.checks.texts import clip
from tuneloop.doctor import Change
from tuneloop.pages import text
from tuneloop.types import Dataset
from tuneloop.ui import doctor_cases as cases
from tuneloop.ui import parts
from tuneloop.ui.datasets_words import path
from tuneloop.ui.doctor_changes import changed
from tuneloop.ui.here import Here

_AT_ONCE = 5
_OUTCOMES = {"kept": ("stays", "plain"), "fixed": ("mended", "warn"), "dropped": ("left out", "bad")}


class Changes:
    """The place below a finding for its rows, which `button` unfolds; `only` makes a data set with its fix alone."""

    def __init__(
        self,
        here: Here,
        dataset: Dataset,
        kind: Ranked,
        *,
        button: ui.element,
        only: Callable[[str], Awaitable[None]] | None,
    ) -> None:
        self._here = here
        self._dataset = dataset
        self._kind = kind
        self._button = button
        self._only = only
        self._place = parts.tag("div", "stack changes").props(f'id="rows-of-{kind.code}"')
        self._unfolded(False)

    def hide(self) -> None:
        """Fold them."""
        self._place.clear()
        self._unfolded(False)

    def _unfolded(self, is_so: bool) -> None:
        self._place.set_visibility(is_so)
        self._button.props["aria-expanded"] = "true" if is_so else "false"

    async def show(self) -> None:
        """Show the first ones, and what the fix does alone."""
        found = await self._report()
        alone = await self._report(self._kind.code)
        changes, more = await self._next(found, 0)
        self._place.clear()
        self._unfolded(True)
        with self._place:
            self._alone(alone)
            self._rows = parts.tag("div", "stack")
            self._more = parts.tag("div")
        self._draw(found, changes, more)

    async def _report(self, only: str | None = None) -> doctor.Report:
        fixes = self._here.query.get("fixes", "")
        return await self._here.do(cases.report, self._here.loop, self._dataset, fixes, only=only)

    async def _next(self, found: doctor.Report, after: int) -> tuple[list[Change], bool]:
        return await self._here.do(doctor.changes, found, self._kind.code, limit=_AT_ONCE, after=after)

    def _alone(self, alone: doctor.Report) -> None:
        if self._only is None:
            return
        only, counts = self._only, alone.counts()
        with parts.row("between"):
            if counts["kept"] == counts["rows"]:
                parts.text("p", "Nothing is done about it.", "dim")
                return
            stays = counts["rows"] - counts["dropped"]
            parts.text(
                "p",
                f"This fix alone mends {counts['fixed']:,} and leaves out {counts['dropped']:,}: "
                f"{stays:,} of {counts['rows']:,} rows stay.",
                "dim",
            )
            if self._here.may("owner"):
                parts.button("Fix only this", lambda: only(self._kind.code))

    def _draw(self, found: doctor.Report, changes: list[Change], more: bool) -> None:
        with self._rows:
            ui.html("".join(self._change(one) for one in changes), sanitize=False).classes("stack")
        self._more.clear()
        if more:
            last = changes[-1].row.number
            with self._more:
                parts.button("More rows", lambda: self._further(found, last))

    async def _further(self, found: doctor.Report, after: int) -> None:
        self._draw(found, *await self._next(found, after))

    def _change(self, one: Change) -> str:
        """A row as markup: what was said of it, its question and its answer before and after."""
        outcome, tone = _OUTCOMES[one.treated.outcome]
        said = next(finding.message for finding in one.found if finding.code == self._kind.code)
        leads = path(self._dataset.id, "rows", str(one.row.number))
        why = ""
        if one.treated.outcome == "dropped" and one.treated.reasons[0] != self._kind.code:
            why = f" for: {KINDS[one.treated.reasons[0]].title.lower()}"
        return (
            f'<article class="row-change"><header><a href="{text(leads)}">Row {one.row.number:,}</a>'
            f'<span class="badge {tone}">{outcome}{text(why)}</span><span class="dim">{text(said)}</span></header>'
            f"{_texts(one.row, one.after)}</article>"
        )


def _texts(row: Row, after: Row | None) -> str:
    """What is asked and answered, with what changes marked."""
    if after is None:
        asked, answer = text(clip(row.question, 240)), f"<del>{text(clip(row.answer_text, 240))}</del>"
    else:
        asked, answer = _change(row.question, after.question), _change(row.answer_text, after.answer_text)
    moved = ""
    if after is not None and after.split != row.split:
        moved = f"<dt>Split</dt><dd><del>{row.split}</del> <ins>{after.split}</ins></dd>"
    return f"<dl><dt>Asked</dt><dd>{asked}</dd><dt>Answer</dt><dd>{answer}</dd>{moved}</dl>"


def _change(before: str, after: str) -> str:
    return text(clip(before, 240)) if before == after else changed(before, after)
