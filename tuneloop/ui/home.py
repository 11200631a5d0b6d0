"""Home: the loop, with live numbers and the next sensible step."""

from __future__ import annotations

from tuneloop.ui import parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here


async def _home(here: Here) -> None:
    parts.title(
        "The loop", "Calls are logged, scored, made into data, learnt from, and answered by a model that is yours."
    )
    calls = await here.do(lambda: len(here.loop.store.jobs.all()))
    with parts.row("grid"):
        parts.figure("Calls", f"{calls:,}", to="/logs")
        parts.figure("Scored", "0", to="/logs")
    parts.code('client = OpenAI(base_url="http://127.0.0.1:8421/v1", api_key="...")')
    parts.button("Make a data set", lambda: None, "main")


PAGE = page("/", "Home")(_home)
