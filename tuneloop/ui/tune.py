"""Tune: a form that comes filled in, with what it will take; and the jobs."""

from __future__ import annotations

from tuneloop.ui import job_list, parts, tune_wish
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.tune_form import Form


async def _tune(here: Here) -> None:
    parts.title("Tune", "A small model reads the rows of a data set again and again, until it answers as they do.")
    shelf = await here.do(tune_wish.shelf, here.loop, here.query)
    if not shelf.datasets:
        with parts.empty("No data set yet", "A model learns from rows: choose the calls that are worth imitating."):
            parts.link("Choose from the logs", "/logs", "main")
    elif here.may("owner"):
        if "dataset" not in here.query:
            here.query["dataset"] = next(iter(shelf.datasets))
        Form(here, shelf)
    else:
        parts.text("p", "Tuning takes the role owner. The jobs are below.", "dim")
    await job_list.draw(here)


PAGE = page("/tune", "Tune")(_tune)
