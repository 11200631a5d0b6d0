"""Home: the loop as a picture, with live numbers and the next sensible step."""

from __future__ import annotations

from tuneloop import overview, samples
from tuneloop.overview import Overview
from tuneloop.ui import parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

#: seconds between looks while the page is open
_EVERY = 3.0
#: what the button of each step says
_DO = {
    "score": "Rate answers",
    "collect": "Choose them",
    "tune": "Tune a model",
    "watch": "Watch",
    "mend": "Look at it",
    "compare": "Compare",
    "read": "Read it",
    "deploy": "Deploy",
    "again": "Rate answers",
}
#: the station of the loop at which each step is done
_STATIONS = {
    "log": "calls",
    "score": "scored",
    "collect": "datasets",
    "tune": "jobs",
    "watch": "jobs",
    "mend": "jobs",
    "compare": "models",
    "read": "models",
    "deploy": "live",
    "again": "scored",
}


async def _home(here: Here) -> None:
    found = await here.do(overview.look, here.loop)
    parts.title(
        "Your loop", "Calls are logged and scored, good answers become data, a small model learns them and takes over."
    )
    shown = parts.live(lambda now: _loop(here, now), found)

    async def look() -> None:
        shown.show(await here.do(overview.look, here.loop))

    parts.every(_EVERY, look)


def _loop(here: Here, found: Overview) -> None:
    with parts.card("next"):
        with parts.tag("div", "stack tight grow"):
            parts.text("h2", "Next")
            parts.text("p", found.next.sentence)
        if found.next.name in _DO:
            parts.link(_DO[found.next.name], found.next.page, "main")
    if not found.calls:
        _begin(here)
    _picture(found)


def _picture(found: Overview) -> None:
    """The stations of the loop, each a link, in the order in which one goes round."""
    busy = f"{found.unfinished} under way" if found.unfinished else "none under way"
    live = ", ".join(found.live) or "nothing yet"
    stations = (
        ("calls", "Calls", f"{found.calls:,}", "kept in the log", "/logs"),
        ("scored", "Scored", f"{found.scored:,}", _share(found), "/review"),
        ("datasets", "Data sets", f"{found.datasets:,}", "answers worth imitating", "/datasets"),
        ("jobs", "Jobs", f"{found.jobs:,}", busy, "/tune"),
        ("models", "Tuned models", f"{found.models:,}", "yours to keep", "/models"),
        ("live", "Live", f"{len(found.live):,}", live, "/models"),
    )
    with parts.tag("ol", "loop").props('aria-label="The loop"'):
        for name, title, value, hint, to in stations:
            is_next = _STATIONS[found.next.name] == name
            with parts.tag("li", f"{name} next-station" if is_next else name):
                parts.figure(title, value, hint, to)
    with parts.row("saved"):
        if found.saved is None:
            parts.text("span", "What is saved cannot be said yet: no price of the model before is known.", "dim")
        else:
            parts.text("strong", f"${found.saved:,.2f}")
            parts.text("span", "saved so far, against the models before", "dim")


def _share(found: Overview) -> str:
    return f"{found.scored / found.calls:.0%} of all calls" if found.calls else "thumbs and corrections"


def _begin(here: Here) -> None:
    """Lines for somebody's own program, or sample data."""
    with parts.card():
        parts.heading("Begin", "Change these lines of your program. It works as before, and every call is kept here.")
        parts.code(
            "from openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{here.loop.url or "http://127.0.0.1:8421/v1"}", api_key="YOUR_TUNELOOP_KEY")'
        )
        if here.may("owner"):
            with parts.row():
                parts.button("Try it with sample data", lambda: _sample(here))
                parts.text("span", "The log of a made-up bicycle shop's support desk.", "dim")


async def _sample(here: Here) -> None:
    await here.allowed("owner")
    added = await here.do(samples.take, here.loop)
    parts.tell(f"{added:,} calls imported.")


PAGE = page("/", "Home")(_home)
