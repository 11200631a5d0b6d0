"""The report as one page that needs nothing else: no scripts from elsewhere, no fonts, nothing to load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuneloop.pages import document, text

#: rows that are listed; the account as JSON Lines has all of them
_LISTED = 2000

_STYLE = """
.bar { display: flex; height: .75rem; border-radius: .375rem; overflow: hidden; margin: 1.25rem 0 .75rem; }
.bar span { min-width: 2px; } .kept { background: var(--good); } .fixed { background: var(--warning); }
.dropped { background: var(--error); }
.counts { display: flex; flex-wrap: wrap; gap: .5rem 2rem; } .counts b { font-variant-numeric: tabular-nums; }
.counts i { display: inline-block; width: .75rem; height: .75rem; border-radius: .2rem; margin-right: .4rem; }
.kind { border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: .25rem 1.5rem;
        grid-template-columns: 6rem 1fr; }
.kind > div { min-width: 0; }
.kind ul { margin: .5rem 0 0; padding: 0; list-style: none; }
.kind li { background: var(--soft); border-radius: .375rem;
        padding: .35rem .6rem; margin: .25rem 0; font-size: .875rem; overflow-wrap: anywhere; }
td:first-child { font-variant-numeric: tabular-nums; } .scroll { overflow-x: auto; }
@media (max-width: 40rem) { .kind { grid-template-columns: 1fr; } }
"""


def html(summary: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> str:
    """The page of an account: its summary and the record of each row (as tuneloop.doctor gives them)."""
    name = str(summary["source"])
    parts = [
        f"<h1>{text(name)}</h1>",
        _counts(summary),
        "<h2>What to mend first</h2>",
        *(
            [_kind(kind) for kind in summary["findings"]]
            or ["<p>Nothing was found that speaks against training on it.</p>"]
        ),
        *_rows(records),
    ]
    return document(f"{name}: examination", "\n".join(parts), _STYLE)


def _counts(summary: Mapping[str, Any]) -> str:
    total = summary["rows"]
    said = {"kept": "are fine as they are", "fixed": "can be fixed", "dropped": "would be dropped"}
    bar = "".join(f'<span class="{key}" style="flex:{summary[key]}"></span>' for key in said if summary[key] and total)
    items = "".join(f'<span><i class="{key}"></i><b>{summary[key]:,}</b> {what}</span>' for key, what in said.items())
    tokens = summary.get("tokens")
    size = f'<p class="dim">{tokens["total"]:,} tokens, of which {tokens["learnt"]:,} are learnt.</p>' if tokens else ""
    return (
        f'<p class="dim">{total:,} rows examined. Every one of them is in exactly one of three groups.</p>'
        f'<div class="bar" role="img" aria-label="{summary["kept"]} kept, {summary["fixed"]} fixed, '
        f'{summary["dropped"]} dropped">{bar}</div><div class="counts">{items}</div>{size}'
    )


def _kind(kind: Mapping[str, Any]) -> str:
    rows = f"{kind['rows']:,} row{'s' if kind['rows'] != 1 else ''}" if kind["rows"] else "all rows"
    seen = "".join(f"<li>{text(message)}</li>" for message in kind["messages"])
    fix = f"<p>Fix: <code>{'</code> or <code>'.join(kind['fixes'])}</code></p>" if kind["fixes"] else ""
    return (
        f'<section class="kind"><div class="{kind["severity"]}">{kind["severity"]}<p class="dim">{rows}</p></div>'
        f'<div><h3>{text(kind["title"])} <code class="dim">{kind["code"]}</code></h3>'
        f"<p>{text(kind['why'])}</p>{fix}<ul>{seen}</ul></div></section>"
    )


def _rows(records: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    """The rows that are not kept as they are, with the reason."""
    listed: list[str] = []
    more = 0
    for record in records:
        if record["status"] == "kept":
            continue
        if len(listed) == _LISTED:
            more += 1
            continue
        said = "<br/>".join(text(one["message"]) for one in record["findings"])
        done = text(", ".join((*record["fixes"],)))
        listed.append(
            f"<tr><td>{record['number']}</td><td>{text(str(record['id']))}</td>"
            f'<td class="{"error" if record["status"] == "dropped" else "warning"}">{record["status"]}</td>'
            f"<td><code>{text(', '.join(record['reasons']))}</code><br/>{done}</td><td>{said}</td></tr>"
        )
    if not listed:
        return
    yield '<h2>Rows that are fixed or dropped</h2><div class="scroll"><table>'
    yield "<tr><th>row</th><th>id</th><th>status</th><th>reason and fix</th><th>what was seen</th></tr>"
    yield from listed
    yield "</table></div>"
    if more:
        yield f'<p class="dim">and {more:,} more, which the account as JSON Lines has.</p>'
