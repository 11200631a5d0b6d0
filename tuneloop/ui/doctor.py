"""The doctor: what in a data set would derail a model, and what mends it."""

from __future__ import annotations

from nicegui import ui

from tuneloop.executors.background import Task
from tuneloop.types import Dataset
from tuneloop.ui import parts
from tuneloop.ui.datasets_words import path, total
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

#: seconds between looks while an examination goes on
_EVERY = 0.7
#: of the whole, what has been done when all rows are read
_READ = 0.6


async def _doctor(here: Here) -> None:
    from tuneloop.ui import doctor_cases  # its checks bring in NumPy, and a server is to start at once

    dataset, task = await here.do(doctor_cases.begin, here.loop, here.names["name"])
    ui.page_title(f"{dataset.name} at the doctor's · Tuneloop")
    parts.link(f"Back to {dataset.name}", path(here.names["name"])).classes("back")
    parts.title(
        f"{dataset.name} at the doctor's",
        "A model learns mistakes as eagerly as the rest. Every row is looked at, nothing is changed until you say so.",
    )
    await _Examination(here, dataset).show(task)


class _Examination:
    """The examination of a data set on its page: how far it is, then what was found."""

    def __init__(self, here: Here, dataset: Dataset) -> None:
        self._here = here
        self._dataset = dataset
        self._place = parts.tag("div", "stack wide")

    async def show(self, task: Task) -> None:
        if task.state == "done":
            await self._findings()
            return
        with self._place:
            live = parts.live(self._progress, task)
        timer: ui.timer

        async def look() -> None:
            from tuneloop.ui import doctor_cases

            now = await self._here.do(doctor_cases.look, self._here.loop, self._dataset)
            if now.state == "done":
                timer.cancel()
                self._place.clear()
                await self._findings()
                return
            live.show(now)
            if now.state == "failed":
                timer.cancel()

        timer = parts.every(_EVERY, look)

    async def _findings(self) -> None:
        from tuneloop.ui.doctor_findings import Findings

        with self._place:
            await Findings(self._here, self._dataset).show()

    def _progress(self, task: Task) -> None:
        if task.state == "failed":
            with parts.empty("The examination failed", task.error).classes("wrong"):
                parts.link("Begin it again", self._here.url(), "main")
            return
        rows = total(self._dataset)
        with parts.card("stack examining"), parts.tag("div", "stack").props('role="status"'):
            parts.text("h2", _doing(task, rows))
            parts.progress(_share(task, rows), "the examination")
            parts.text("p", "You may leave this page and come back: it goes on.", "dim")


def _doing(task: Task, rows: int) -> str:
    if task.state == "waiting":
        return "Waiting for another examination to end"
    if task.what.startswith("comparing"):
        return f"Comparing {rows:,} rows with each other"
    return f"Reading {rows:,} rows" + (f": {task.done:,} so far" if task.done else "")


def _share(task: Task, rows: int) -> float:
    if task.what.startswith("comparing"):
        return 0.75
    return _READ * task.done / max(rows, 1)


PAGE = page("/datasets/{name}/doctor", "Doctor")(_doctor)
