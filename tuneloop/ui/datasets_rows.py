"""The rows of a data set: a page of them, found by split and by text, compared with those of another version."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from tuneloop import calls
from tuneloop.checks.texts import clip
from tuneloop.datasets import parse_split
from tuneloop.errors import InvalidInput
from tuneloop.store.datasets import Numbered, Sought
from tuneloop.types import SPLITS, Dataset, Example
from tuneloop.ui import forms, parts, tables
from tuneloop.ui.datasets_words import path
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

_A_PAGE = 25
_HEADERS = ("Row", "Asked", "Answer", "Split", "Said of it")


class _Found(NamedTuple):
    """A page of rows."""

    rows: Sequence[Numbered]
    #: whether there are rows before and behind
    before: bool
    behind: bool
    #: the data set that they are of
    of: Dataset


class Rows:
    """A data set's rows on its page. What is shown of them is in the URL."""

    def __init__(self, here: Here, dataset: Dataset, other: Dataset | None) -> None:
        self._here = here
        self._dataset = dataset
        self._other = other

    async def show(self, added: int, removed: int) -> None:
        """Draw them; `added` and `removed` are counts against the other version."""
        here = self._here
        found = await self._find()
        with parts.card("stack rows").props('id="rows"'):
            with parts.row("between"):
                parts.heading(*self._heading(added, removed))
                if self._other is not None:
                    with parts.row():
                        self._side("", f"Only here ({added:,})")
                        self._side("removed", f"Only there ({removed:,})")
                        parts.link("Stop comparing", path(here.names["name"]) + "#rows")
            with parts.row("choose"):
                forms.line(
                    "Find in the rows",
                    here.query.get("text", ""),
                    change=lambda text: self._seek(text=text or ""),
                    wait=300,
                ).props("clearable")
                choices: dict[str, str] = {"": "All splits"} | {split: split.capitalize() for split in SPLITS}
                split = here.query.get("split", "")
                if split not in choices:
                    raise InvalidInput(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
                forms.choice("Split", choices, split, change=lambda split: self._seek(split=split or ""))
            self._shown = parts.live(self._page, found)

    def _heading(self, added: int, removed: int) -> tuple[str, str]:
        if self._other is None:
            return "Rows", "What a model would learn or be asked, one row a line."
        other = tables.ago(self._other.created_at)
        if not added and not removed:
            return "Compared", f"The version of {other} has the same rows."
        return (
            "Compared",
            f"Against the version of {other}: {added:,} {'row' if added == 1 else 'rows'} added, {removed:,} removed.",
        )

    def _side(self, side: str, said: str) -> None:
        link = parts.link(said, self._here.url(side=side, after=None, before=None) + "#rows")
        if self._here.query.get("side", "") == side:
            link.props('aria-current="true"')

    async def _seek(self, **query: str) -> None:
        self._here.remember(**query, after=None, before=None)
        self._shown.show(await self._find())

    async def _turn(self, **query: str | None) -> None:
        self._here.remember(after=None, before=None)
        self._here.remember(**query)
        self._shown.show(await self._find())

    async def _find(self) -> _Found:
        return await self._here.do(self._look)

    def _look(self) -> _Found:
        query, table = self._here.query, self._here.loop.store.datasets
        of, without = self._dataset, self._other
        if without is not None and query.get("side") == "removed":
            of, without = without, of
        split = query.get("split") or None
        sought = Sought(
            split=None if split is None else parse_split(split, "split"),
            text=query.get("text", "").strip(),
            without=None if without is None else without.id,
        )
        if before := _number(query.get("before")):
            rows, more = table.look(of.id, sought, limit=_A_PAGE, before=before)
            return _Found(rows, more, True, of)
        after = _number(query.get("after"))
        rows, more = table.look(of.id, sought, limit=_A_PAGE, after=after)
        return _Found(rows, after > 0, more, of)

    def _page(self, found: _Found) -> None:
        if not found.rows:
            with parts.empty("No such row", "No row fits what is looked for here."):
                parts.link("Show all rows", path(self._here.names["name"]) + "#rows")
            return
        rows = [_row(found.of, one) for one in found.rows]
        tables.table(_HEADERS, rows, label="Rows", numbers=(0,))
        first, last = found.rows[0].number, found.rows[-1].number
        with parts.row("between"):
            parts.text("span", f"Rows {first:,} to {last:,}", "dim")
            with parts.row():
                if found.before:
                    parts.button("Earlier rows", partial(self._turn, before=str(first)))
                if found.behind:
                    parts.button("Later rows", partial(self._turn, after=str(last)))


def _row(dataset: Dataset, one: Numbered) -> list[Cell | str]:
    example = one.example
    *before, answer = example.messages
    asked = next((m for m in reversed(before) if m["role"] == "user"), before[-1] if before else {})
    worse = calls.text_of(example.rejected[0]) if example.rejected else ""
    return [
        Cell(said=f"{one.number:,}", to=path(dataset.id, "rows", str(one.number))),
        clip(calls.text_of(asked), 140),
        Cell(said=clip(calls.text_of(answer), 140), below=f"in place of: {clip(worse, 100)}" if worse else ""),
        example.split,
        said_of(example),
    ]


def said_of(example: Example) -> Cell:
    """What people said of a row, as a state."""
    if example.label is False:
        return Cell(said="bad", tone="bad")
    if example.rejected:
        return Cell(said="corrected", tone="accent")
    return Cell(said="good", tone="good") if example.label else Cell()


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else 0
