"""The sections of a report as parts of a page: the same words and numbers as in the report itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from nicegui import ui

from tuneloop.reports.blocks import Block, Bullets, Cell, Plot, Section, Table, Text
from tuneloop.ui import parts, tables

_NUMERIC = re.compile(r"[+-]?\$?\d|–$")


def draw(section: Section) -> None:
    """A section on a card of its own; its plots lie beside each other."""
    with parts.card("stack report").props(f'id="{anchor(section)}"'):
        parts.heading(section.title)
        _draw_blocks(section.blocks)


def fold(section: Section) -> None:
    """A section that is opened by those who want to know."""
    with parts.tag("details", "card report").props(f'id="{anchor(section)}"'):
        with parts.tag("summary"):
            parts.text("h2", section.title)
        with parts.tag("div", "stack"):
            _draw_blocks(section.blocks)


def anchor(section: Section) -> str:
    """What a section is called in the page's URL."""
    return re.sub(r"\W+", "-", section.title.lower()).strip("-")


def _draw_blocks(blocks: Sequence[Block]) -> None:
    plots = [block for block in blocks if isinstance(block, Plot)]
    for block in blocks:
        if isinstance(block, Plot):
            if block is plots[0]:
                with parts.tag("div", "plots"):
                    for plot in plots:
                        _plot(plot)
        elif type(block) in _DRAWERS:
            _DRAWERS[type(block)](block)


def _plot(block: Plot) -> None:
    with parts.tag("figure"):
        parts.text("h3", block.title)
        ui.html(block.svg, sanitize=False)
        parts.text("figcaption", block.caption, "dim")


def _text(block: Text) -> None:
    parts.text("p", block.text, "dim note" if block.note else block.tone)


def _bullets(block: Bullets) -> None:
    with parts.tag("ul"):
        for item in block.items:
            parts.text("li", item)


def _table(block: Table) -> None:
    """Columns of numbers are set flush right; without headers they are names and values."""
    if not any(block.headers):
        parts.pairs([(name.text, value.text) for name, value in block.rows])
        return
    rows = [[_cell(cell) for cell in row] for row in block.rows]
    columns = list(zip(*block.rows, strict=True))
    numbers = [index for index, column in enumerate(columns) if index and _are_numbers(column)]
    tables.table(block.headers, rows, label=", ".join(block.headers), numbers=numbers)


def _cell(cell: Cell) -> tables.Cell:
    return tables.Cell(said=cell.text, below=cell.detail, tone=None if cell.tone == "plain" else cell.tone)


def _are_numbers(column: Sequence[Cell]) -> bool:
    said = [cell.text for cell in column if cell.text]
    return bool(said) and all(_NUMERIC.match(one) for one in said)


_DRAWERS: dict[type[Block], Callable[[Any], None]] = {Text: _text, Bullets: _bullets, Table: _table}
