"""The answers of an evaluation side by side, with filters that the URL keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from tuneloop.reports.numbers import Report, listed, plural, word
from tuneloop.reports.page import write_row
from tuneloop.reports.rows import row
from tuneloop.reports.selection import WHICH, Wanted, Which, select
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here

#: rows of a page
_PAGE = 10
#: between the kind of a group and its value, in the URL
_IS = "="


async def draw(here: Here, report: Report, anchor: str) -> None:
    """The rows that the URL asks for, and what to ask for others by."""
    shown = _Rows(here, report, anchor)
    with parts.card("stack report").props(f'id="{anchor}"'):
        parts.heading("Side by side", "The answers of all arms; where one differs from the right answer is marked.")
        with parts.tag("div", "filters"):
            names = _names(report)
            forms.choice("Show", names, _which(here), change=lambda value: shown.ask(show=value))
            groups = _groups(report)
            if len(groups) > 1:
                forms.choice("Group", groups, _group(here, report), change=lambda value: shown.ask(group=value))
            forms.line(
                "Search", here.query.get("text", ""), change=lambda value: shown.ask(text=value), wait=300
            ).props("clearable")
        shown.draw()
    await shown.look()


class _Rows:
    """What is shown of the rows, and where one turns the pages."""

    def __init__(self, here: Here, report: Report, anchor: str) -> None:
        self._here, self._report, self._anchor = here, report, anchor

    def draw(self) -> None:
        """Make the places for the rows and the buttons, which stay while the rows change."""
        self._place = parts.tag("div", "stack wide").props('aria-live="polite"')
        with parts.row("between") as self._pager:
            self._count = parts.text("span", "", "dim")
            with parts.row():
                self._previous = parts.button("Previous", lambda: self._turn(-1), label="Previous rows")
                self._next = parts.button("Next", lambda: self._turn(1), label="Next rows")

    async def ask(self, **query: str | None) -> None:
        """Show the first page of other rows."""
        self._here.remember(**query, page=None)
        await self.look()

    async def look(self) -> None:
        """Show what the URL says."""
        found = await self._here.do(select, self._report, _wanted(self._here, self._report))
        pages = max(1, -(-len(found) // _PAGE))
        page = min(_page(self._here), pages)
        first, last = (page - 1) * _PAGE, min(page * _PAGE, len(found))
        markup = await self._here.do(self._written, found[first:last])
        self._place.clear()
        with self._place:
            if found:
                ui.html(markup, sanitize=False).classes("rows")
            else:
                parts.text("p", "There are no such rows.", "dim")
        self._pager.set_visibility(bool(found))
        self._count.set_text(f"{first + 1:,} to {last:,} of {plural(len(found), 'row')}")
        for button, there in ((self._previous, page > 1), (self._next, page < pages)):
            button.props(remove="disabled") if there else button.props("disabled")

    async def _turn(self, by: int) -> None:
        page = max(1, _page(self._here) + by)
        self._here.remember(page=str(page) if page > 1 else None)
        await self.look()
        ui.run_javascript(f"document.getElementById('{self._anchor}').scrollIntoView()")

    def _written(self, found: list[Mapping[str, Any]]) -> str:
        return "".join(write_row(row(self._report, result)) for result in found)


def _wanted(here: Here, report: Report) -> Wanted:
    by, _, value = _group(here, report).partition(_IS)
    return Wanted(which=_which(here), by=by, value=value, text=here.query.get("text", ""))


def _which(here: Here) -> Which:
    asked = here.query.get("show")
    return next((one for one in WHICH if one == asked), "disagree")


def _group(here: Here, report: Report) -> str:
    """The group that the URL asks for, "" for all of them."""
    asked = here.query.get("group", "")
    return asked if asked in _groups(report) else ""


def _page(here: Here) -> int:
    given = here.query.get("page", "1")
    return max(1, int(given)) if given.isascii() and given.isdigit() and len(given) < 7 else 1


def _names(report: Report) -> dict[str, str]:
    """The choices in words; those that need a candidate are left out where there is none."""
    baseline, candidate = (word(report.get(key)) for key in ("baseline", "candidate"))
    names = {
        "disagree": "where they disagree",
        "wrong": f"where {candidate} is wrong",
        "worse": f"where {candidate} is worse than {baseline}",
        "better": f"where {candidate} is better than {baseline}",
        "failed": "where something failed",
        "all": "all rows",
    }
    alone = ("wrong", "worse", "better") if not candidate else ()
    return {name: said for name, said in names.items() if name not in alone}


def _groups(report: Report) -> dict[str, str]:
    """The groups that the report knows, by what the URL calls them."""
    found = {"": "all groups"}
    for one in listed(report.get("segments")):
        by, value = word(one.get("by")), word(one.get("value"))
        found[f"{by}{_IS}{value}"] = f"{by.removeprefix('metadata.')}: {value}"
    return found
