"""A report as Markdown, for a pull request or a chat."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tuneloop.reports.blocks import Answer, Block, Bullets, Cell, Figures, Plot, Row, Said, Table, Text
from tuneloop.reports.contents import contents
from tuneloop.reports.numbers import Report

#: an underscore between letters means nothing, as in the names of models and labels
_SPECIAL = re.compile(r"([\\`*{}\[\]<>#|~&$]|(?<![^\W_])_|_(?![^\W_]))")
#: what at the beginning of a line would make a list, or a rule
_LEADING = re.compile(r"^(\d*)([-+.)])(?=[\s-]|$)")


def write_markdown(report: Mapping[str, Any]) -> str:
    """The report of an evaluation as Markdown with tables, without its plots; any part of it may be missing."""
    return "\n\n".join(_sections(report)) + "\n"


def _sections(report: Report) -> list[str]:
    parts = []
    for index, section in enumerate(contents(report)):
        blocks = [_WRITERS[type(block)](block) for block in section.blocks if not isinstance(block, Plot)]
        if blocks:
            parts += [f"{'#' if index == 0 else '##'} {plain(section.title)}", *blocks]
    return parts


def plain(text: str) -> str:
    """Any text on one line, so that Markdown takes none of it for itself."""
    escaped = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LEADING.sub(r"\1\\\2", escaped)


def _answer(block: Answer) -> str:
    reasons = "\n".join(f"- {plain(reason)}" for reason in block.reasons)
    return f"**{plain(block.word)}.** {plain(block.sentence)}" + (f"\n\n{reasons}" if reasons else "")


def _figures(block: Figures) -> str:
    return _rows([name for name, _ in block.cells], [[cell for _, cell in block.cells]])


def _text(block: Text) -> str:
    return plain(block.text)


def _bullets(block: Bullets) -> str:
    return "\n".join(f"- {plain(item)}" for item in block.items)


def _table(block: Table) -> str:
    return _rows(list(block.headers), [list(row) for row in block.rows])


def _rows(headers: list[str], rows: list[list[Cell]]) -> str:
    lines = [[plain(header) for header in headers], ["---"] * len(headers), *([*map(_cell, row)] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    text = plain(cell.text)
    strong = f"**{text}**" if cell.tone != "plain" and text else text
    return f"{strong} ({plain(cell.detail)})" if cell.detail else strong


def _row(block: Row) -> str:
    said = "\n\n".join(_said(one) for one in block.said)
    return f"### {plain(block.id)}\n\n{_fenced(block.question)}\n\nRight:\n\n{_fenced(block.reference)}\n\n{said}"


def _said(one: Said) -> str:
    who = ", ".join(f"{plain(name)}: {plain(score.text)}" for name, score in one.arms)
    return f"{who}{' (the call failed)' if one.failed else ''}\n\n{_fenced(one.text)}"


def _fenced(text: str) -> str:
    """The text as it is, in a fence that is longer than any in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


_WRITERS: dict[type[Block], Callable[[Any], str]] = {
    Answer: _answer,
    Figures: _figures,
    Text: _text,
    Bullets: _bullets,
    Table: _table,
    Row: _row,
}
