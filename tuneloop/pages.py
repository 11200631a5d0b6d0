"""Pages that need nothing else: no scripts, no fonts, nothing to load. They follow the reader's light or dark.

They are written as XML that is HTML too (every element closed), so that a strict parser can hold them to it.
"""

from __future__ import annotations

import re
from html import escape

#: what neither HTML nor XML may hold: control characters and halves of surrogate pairs
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

STYLE = """
:root { color-scheme: light dark; --text: #1d2430; --dim: #5d6679; --line: #e4e7ec; --back: #fff; --soft: #f7f8fa;
        --error: #b42318; --warning: #8a5a00; --advice: #175cd3; --good: #067647; --accent: #2563eb; --faint: #8a94a6;
        --error-soft: #fef3f2; --warning-soft: #fffaeb; --good-soft: #ecfdf3; }
@media screen and (prefers-color-scheme: dark) { :root { --text: #e6e9ef; --dim: #98a2b3; --line: #2c3440;
        --back: #12161c; --soft: #1a2029; --error: #f97066; --warning: #fdb022; --advice: #84adff; --good: #47cd89;
        --accent: #7aa5ff; --faint: #7b8698; --error-soft: #2a1615; --warning-soft: #2a2010; --good-soft: #0d261b; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); margin: 0 auto;
       max-width: 62rem; padding: 2.5rem 1.25rem 5rem; -webkit-text-size-adjust: 100%; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 1rem; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .25rem 0; } .dim { color: var(--dim); }
.error { color: var(--error); } .warning { color: var(--warning); } .advice { color: var(--advice); }
code { font: .875em ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } th { text-align: left; color: var(--dim); }
th, td { border-top: 1px solid var(--line); padding: .45rem .6rem .45rem 0; vertical-align: top; }
td { overflow-wrap: anywhere; }
@media print { body { max-width: none; padding: 0; } h2, h3 { break-after: avoid; }
        tr, figure, article { break-inside: avoid; }
        * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def text(value: object) -> str:
    """Any text so that it may stand in a page and in an attribute of it, whatever somebody wrote into it."""
    return escape(_FORBIDDEN.sub("\ufffd", str(value)), quote=True)


def document(title: str, body: str, style: str = "") -> str:
    """A whole page: `title` is text, `body` is markup, `style` comes after the common one."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            f"<title>{text(title)}</title><style>{STYLE}{style}</style></head>",
            f"<body><main>\n{body}\n</main></body></html>\n",
        ]
    )
