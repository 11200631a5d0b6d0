"""A report as one page to send around."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tuneloop.pages import document, text
from tuneloop.reports.blocks import Answer, Block, Bullets, Cell, Figures, Plot, Row, Said, Section, Table, Text, Tone
from tuneloop.reports.contents import contents, title
from tuneloop.reports.differences import pieces

_STYLE = """
.bad { color: var(--error); } .warn { color: var(--warning); } .good { color: var(--good); }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; }
body { max-width: 68rem; } p.note { color: var(--dim); font-size: .875rem; }
main > * + p, main > * + table, main > * + ul, main > p + div { margin-top: .75rem; }
main > table + table { margin-top: 2rem; } h1 + p { margin-top: 0; }
.answer { border-left: .375rem solid var(--faint); background: var(--soft); border-radius: .5rem; margin: 1.5rem 0;
          padding: 1.25rem 1.5rem; color: var(--text); }
.answer.good { border-color: var(--good); background: var(--good-soft); }
.answer.bad { border-color: var(--error); background: var(--error-soft); }
.answer.warn { border-color: var(--warning); background: var(--warning-soft); }
.answer b { display: block; font-size: 1rem; color: var(--dim); }
.answer.good b { color: var(--good); } .answer.bad b { color: var(--error); } .answer.warn b { color: var(--warning); }
.answer p { font-size: 1.5rem; line-height: 1.3; font-weight: 600; text-wrap: pretty; margin: .25rem 0; }
.answer ul { margin: .75rem 0 0; }
ul { padding-left: 1.2rem; margin: .5rem 0; } li { margin: .2rem 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
.figures div { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; }
.figures span, .figures small { display: block; color: var(--dim); font-size: .875rem; }
.figures strong { display: block; font-size: 1.5rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
td { font-variant-numeric: tabular-nums; }
td small { display: block; white-space: pre-line; color: var(--dim); font-size: .8125rem; }
td.good, td.bad, td.warn { font-weight: 600; } td small { font-weight: 400; }
th { font-weight: 600; } tbody th { color: var(--text); overflow-wrap: anywhere; min-width: 9rem; }
tbody th small { display: block; font-weight: 400; color: var(--dim); font-size: .8125rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 2rem 3rem; }
.plots figure:first-child:nth-last-child(odd) { grid-column: 1 / -1; }
figure { margin: 0; min-width: 0; } figcaption { color: var(--dim); font-size: .875rem; margin-top: .5rem; }
figure h3 { margin-bottom: 1rem; }
svg { display: block; overflow: visible; } svg.up { margin-left: 4rem; width: calc(100% - 4.5rem); }
svg text { font: 13px system-ui, sans-serif; fill: var(--text); } svg text.tick { font-size: 12px; fill: var(--dim); }
svg text.value { font-variant-numeric: tabular-nums; } svg text.candidate { font-weight: 600; fill: var(--accent); }
svg text { paint-order: stroke; stroke: var(--back); stroke-width: 4px; stroke-linejoin: round; }
svg text.baseline { font-weight: 600; }
line.grid { stroke: var(--line); } line.limit { stroke: var(--dim); stroke-width: 1.5; stroke-dasharray: 4 4; }
rect.accepted { fill: var(--dim); opacity: .16; } line.curve { stroke: var(--accent); stroke-width: 1.5; }
line.interval { stroke-width: 4; stroke-linecap: round; opacity: .55; }
.interval.baseline, circle.baseline { stroke: var(--text); }
.interval.candidate, circle.candidate { stroke: var(--accent); }
.interval.other, circle.other { stroke: var(--faint); }
circle { stroke-width: 2; fill: var(--back); } circle.baseline { fill: var(--text); }
circle.candidate { fill: var(--accent); }
article { border: 1px solid var(--line); border-radius: .5rem; margin: .75rem 0; padding: .75rem 1rem; }
article header { display: flex; gap: .75rem; justify-content: space-between; font-size: .8125rem; color: var(--dim); }
article p { white-space: pre-wrap; overflow-wrap: anywhere; } article p.right { color: var(--dim); }
.said { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .5rem;
        margin-top: .5rem; }
.said > div { background: var(--soft); border-radius: .375rem; padding: .5rem .75rem; font-size: .875rem; }
.said .who { color: var(--dim); font-size: .8125rem; } .said i { font-style: normal; font-weight: 600; }
ins { text-decoration: underline; text-decoration-thickness: 2px; background: var(--warning-soft); }
del { color: var(--dim); }
@media screen and (max-width: 52rem) {
  table, tbody, tr, td, tbody th { display: block; } thead { display: none; }
  tr { border-top: 1px solid var(--line); padding: .6rem 0; } th, td { border: 0; padding: .1rem 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; text-align: right; }
  td::before { content: attr(data-name); color: var(--dim); font-weight: 400; text-align: left; max-width: 50%;
               flex-shrink: 0; }
  td:empty { display: none; } .answer p { font-size: 1.25rem; } .answer { padding: 1rem; }
  svg.up { margin-left: 3.25rem; width: calc(100% - 3.75rem); }
}
@media screen and (min-width: 52rem) { td.short { white-space: nowrap; } td.short small { white-space: pre; } }
@media print { html { font-size: 12px; } .answer p { font-size: 15pt; } h2 { margin-top: 1.5rem; }
  td.short { white-space: nowrap; } td.short small { white-space: pre; } }
"""

#: letters of a value
_SHORT = 20

_TAGS: dict[Tone, str] = {"bad": "the candidate is worse", "good": "the candidate is better", "plain": "others differ"}


def write_page(report: Mapping[str, Any]) -> str:
    """The report of an evaluation as HTML, whole in itself; any part of it may be missing."""
    parts = [part for index, section in enumerate(contents(report)) for part in _section(section, min(index, 1) + 1)]
    return document(title(report), "\n".join(parts), _STYLE)


def _section(section: Section, level: int) -> Iterable[str]:
    yield f"<h{level}>{text(section.title)}</h{level}>"
    plots = [block for block in section.blocks if isinstance(block, Plot)]
    for block in section.blocks:
        if not isinstance(block, Plot):
            yield _WRITERS[type(block)](block)
        elif block is plots[0]:
            yield f'<div class="plots">{"".join(map(_plot, plots))}</div>'


def _answer(block: Answer) -> str:
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in block.reasons)
    # A number and its "%" stay on one line.
    sentence = text(block.sentence).replace(" %", "\u00a0%")
    return (
        f'<section class="answer {block.tone}"><b>{text(block.word)}</b><p>{sentence}</p>'
        f"{f'<ul>{reasons}</ul>' if reasons else ''}</section>"
    )


def _figures(block: Figures) -> str:
    cells = (
        f"<div><span>{text(name)}</span><strong>{text(cell.text)}</strong><small>{text(cell.detail)}</small></div>"
        for name, cell in block.cells
    )
    return f'<div class="figures">{"".join(cells)}</div>'


def _paragraph(block: Text) -> str:
    kind = "note" if block.note else block.tone
    return f'<p class="{kind}">{text(block.text)}</p>'


def _bullets(block: Bullets) -> str:
    return f"<ul>{''.join(f'<li>{text(item)}</li>' for item in block.items)}</ul>"


def _table(block: Table) -> str:
    """On a telephone each row becomes a list of names and values, so every cell knows its header."""
    head = "".join(f"<th>{text(header)}</th>" for header in block.headers) if any(block.headers) else ""
    rows = "".join(f"<tr>{_line(block.headers, row)}</tr>" for row in block.rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{rows}</tbody></table>"


def _line(headers: Sequence[str], row: Sequence[Cell]) -> str:
    first, *others = row
    cells = (
        f'<td data-name="{text(header)}"{_class(cell)}>{_cell(cell)}</td>'
        for header, cell in zip(headers[1:], others, strict=True)
    )
    return f'<th scope="row">{_cell(first, wrap=False)}</th>{"".join(cells)}'


def _cell(cell: Cell, *, wrap: bool = True) -> str:
    if not cell.text and not cell.detail:
        return ""
    inside = text(cell.text) + (f"<small>{text(cell.detail)}</small>" if cell.detail else "")
    return f"<div>{inside}</div>" if wrap else inside


def _class(cell: Cell) -> str:
    """A short value is not broken into lines, so that columns of numbers stay legible."""
    longest = max(map(len, [cell.text, *cell.detail.splitlines()]))
    kinds = [kind for kind, applies in ((cell.tone, cell.tone != "plain"), ("short", longest <= _SHORT)) if applies]
    return f' class="{" ".join(kinds)}"' if kinds else ""


def _plot(block: Plot) -> str:
    return f"<figure><h3>{text(block.title)}</h3>{block.svg}<figcaption>{text(block.caption)}</figcaption></figure>"


def write_row(block: Row) -> str:
    """A row with its answers as markup; where they differ from the right one is marked."""
    said = "".join(_said(one, block.reference) for one in block.said)
    return (
        f'<article><header><span class="{block.tone}">{_tag(block)}</span><code>{text(block.id)}</code>'
        f"</header><p>{text(block.question)}</p>"
        f'<p class="right">Right: {text(block.reference)}</p><div class="said">{said}</div></article>'
    )


def _tag(block: Row) -> str:
    alike = len({score.text for one in block.said for _, score in one.arms}) < 2
    return "all score the same" if alike else _TAGS.get(block.tone, "")


def _said(one: Said, reference: str) -> str:
    who = ", ".join(f'{text(name)} <i class="{score.tone}">{text(score.text)}</i>' for name, score in one.arms)
    if one.failed:
        said = f'<span class="bad">failed: {text(one.text)}</span>'
    else:
        said = "".join(_MARKS[piece.kind].format(text(piece.text)) for piece in pieces(one.text, reference))
    return f'<div><p class="who">{who}</p><p>{said or "(nothing)"}</p></div>'


_MARKS = {"same": "{}", "added": "<ins>{}</ins>", "missing": "<del>{}</del>"}

_WRITERS: dict[type[Block], Callable[[Any], str]] = {
    Answer: _answer,
    Figures: _figures,
    Text: _paragraph,
    Bullets: _bullets,
    Table: _table,
    Row: write_row,
}
