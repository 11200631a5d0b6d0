"""Tables, as HTML: a page of them is one element, so that it is there at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nicegui import ui

from tuneloop.pages import text
from tuneloop.ui.parts import Tone

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What stands in a table."""

    said: str = ""
    #: where it leads
    to: str | None = None
    #: a second line
    below: str = ""
    #: as a state; None is a plain text
    tone: Tone | None = None
    #: what is said when one points at it
    title: str = ""
    #: markup in place of all that, escaped already
    markup: str | None = None


def table(
    headers: Sequence[str], rows: Sequence[Sequence[Cell | str]], *, label: str, numbers: Sequence[int] = ()
) -> ui.html:
    """Rows under headers; `label` is what they are, for those who do not see them. The columns of `numbers` are set
    flush right."""
    return ui.html(markup(headers, rows, label=label, numbers=numbers), sanitize=False).classes("table")


def markup(
    headers: Sequence[str], rows: Sequence[Sequence[Cell | str]], *, label: str, numbers: Sequence[int] = ()
) -> str:
    """The same as markup."""
    right = [' class="number"' if index in numbers else "" for index in range(len(headers))]
    head = "".join(f'<th scope="col"{css}>{text(one)}</th>' for one, css in zip(headers, right, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{css}>{_cell(one)}</td>" for one, css in zip(row, right, strict=True)) + "</tr>"
        for row in rows
    )
    name = text(label)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table aria-label="{name}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return text(cell)
    if cell.markup is not None:
        return cell.markup
    said = text(cell.said)
    if cell.to:
        said = f'<a href="{text(cell.to)}">{said}</a>'
    if cell.tone:
        said = f'<span class="badge {cell.tone}">{said}</span>'
    if cell.title:
        said = f'<span title="{text(cell.title)}">{said}</span>'
    return said + (f"<small>{text(cell.below)}</small>" if cell.below else "")


def when(moment: float) -> Cell:
    """A moment, as long ago as it is."""
    whole = datetime.fromtimestamp(moment, UTC)
    full = f"{whole:%Y-%m-%d %H:%M:%S} UTC"
    return Cell(markup=f'<time datetime="{whole.isoformat()}" title="{full}">{ago(moment)}</time>')


def ago(moment: float) -> str:
    """A moment in words: "just now", "5 min ago", a day when it is long ago."""
    seconds = time.time() - moment
    if seconds > 30 * 86_400:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"
