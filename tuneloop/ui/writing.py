"""What people and models wrote, as markup: Markdown and JSON as they are meant, anything else as it is.

It is somebody else's text: no markup in it is kept, nothing is loaded from elsewhere, and links say nothing of where
they were clicked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from tuneloop.pages import text
from tuneloop.store.database import clean

#: what is longer is folded, in characters and in lines
_LONG, _LINES = 1600, 24
#: of one text; the rest is in the raw JSON, which one opens for it
MOST = 60_000

_JSON = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\b\d[\d.eE+-]*')


def written(said: str) -> str:
    """A text as Markdown, or as JSON where it is that; folded where it is long."""
    return _folded(said, lambda cut: as_json(cut) or f'<div class="prose">{_markdown.render(clean(cut))}</div>')


def plain(said: str) -> str:
    """A text as it is, or as JSON where it is that; folded where it is long."""
    return _folded(said, lambda cut: as_json(cut) or f'<p class="as-is">{text(cut)}</p>')


def data(value: Any) -> str:
    """A value as JSON with line ends; folded where it is long."""
    return _folded(dumped(value), _coloured)


def as_json(said: str) -> str | None:
    """The markup of a text that is a JSON object or array; None of others."""
    if not said.lstrip().startswith(("{", "[")):
        return None
    try:
        return _coloured(dumped(json.loads(said)))
    except (ValueError, RecursionError):
        return None


def dumped(value: Any) -> str:
    """A value as JSON with line ends."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _coloured(said: str) -> str:
    """JSON with its names, texts and numbers told apart."""
    made, at = [], 0
    for found in _JSON.finditer(said):
        quoted, colon = found.groups()
        kind = "name" if colon else "text" if quoted else "value"
        made.append(f'{text(said[at : found.start()])}<span class="{kind}">{text(quoted or found.group())}</span>')
        made.append(colon or "")
        at = found.end()
    return f'<pre class="json"><code>{"".join(made)}{text(said[at:])}</code></pre>'


def _folded(said: str, markup: Any) -> str:
    shown = markup(said[:MOST])
    if len(said) > MOST:
        shown += f'<p class="dim">… and {len(said) - MOST:,} characters more, which are in the raw JSON.</p>'
    if len(said) <= _LONG and said.count("\n") <= _LINES:
        return str(shown)
    more = f'<label class="more"><input type="checkbox"><span>Show all {len(said):,} characters</span></label>'
    return f'<div class="fold"><div class="folded">{shown}</div>{more}</div>'


def _image(_renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """What a picture shows, in words: to load it would tell its server who is looking."""
    token = tokens[index]
    return f'<span class="elsewhere">Image: {text(token.content or str(token.attrGet("src"))[:80])}</span>'


def _heading(_renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A heading of a text is none of the page's."""
    return '<p class="heading">' if tokens[index].nesting == 1 else "</p>"


def _link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    tokens[index].attrSet("target", "_blank")
    return renderer.renderToken(tokens, index, options, env)


def _reader() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    for rule, render in {
        "image": _image,
        "heading_open": _heading,
        "heading_close": _heading,
        "link_open": _link,
    }.items():
        made.add_render_rule(rule, render)
    return made


_markdown = _reader()
