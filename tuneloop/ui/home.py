"""Home: where the loop stands, and the next sensible step."""

from __future__ import annotations

from tuneloop import overview
from tuneloop.overview import Overview
from tuneloop.ui import parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

#: seconds between looks while the page is open
_EVERY = 3.0


async def _home(here: Here) -> None:
    found = await here.do(overview.look, here.loop)
    parts.title(
        "Your loop", "Calls are logged and scored, good answers become data, a small model learns them and takes over."
    )
    shown = parts.live(lambda now: _numbers(now), found)

    async def look() -> None:
        shown.show(await here.do(overview.look, here.loop))

    parts.every(_EVERY, look)
    if not found.calls:
        _begin(here)


def _numbers(found: Overview) -> None:
    with parts.card("next"):
        with parts.tag("div", "stack"):
            parts.text("h2", "Next")
            parts.text("p", found.next.sentence)
        if found.next.command:
            parts.code(found.next.command)
    with parts.tag("div", "grid"):
        parts.figure("Calls", f"{found.calls:,}", "kept in the log")
        parts.figure("Scored", f"{found.scored:,}", _share(found.scored, found.calls))
        parts.figure("Data sets", f"{found.datasets:,}", "fixed for ever")
        parts.figure(
            "Jobs", f"{found.jobs:,}", f"{found.unfinished} under way" if found.unfinished else "none under way"
        )
        parts.figure("Tuned models", f"{found.models:,}", "yours")
        saved = "-" if found.saved is None else f"${found.saved:,.2f}"
        parts.figure("Saved", saved, "against the model before" if found.saved is not None else "no price known yet")
    if found.live:
        with parts.card("stack"):
            parts.text("h2", "What answers")
            parts.pairs(list(found.live.items()))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%} of all calls" if whole else "thumbs and corrections"


def _begin(here: Here) -> None:
    """Three lines for somebody's own program."""
    with parts.card("stack"):
        parts.text("h2", "Begin")
        parts.text("p", "Change these lines of your program. It works as before, and every call is kept here.", "dim")
        parts.code(
            "from openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{here.loop.url or "http://127.0.0.1:8421/v1"}", api_key="YOUR_TUNELOOP_KEY")'
        )
        parts.text("p", "Or see the whole loop on sample data:", "dim")
        parts.code("tuneloop demo")


PAGE = page("/", "Home")(_home)
