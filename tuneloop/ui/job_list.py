"""The jobs, newest first, with how far each is."""

from __future__ import annotations

from textwrap import shorten
from typing import Any, NamedTuple

from tuneloop.loop import Loop
from tuneloop.store import schema
from tuneloop.types import FineTuningJob
from tuneloop.ui import job_words, parts, tables
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

_SHOWN = 20
#: characters of an error
_LONGEST = 120
#: seconds between looks
_EVERY = 2.0


class _Line(NamedTuple):
    """A job, and the metrics of its latest step where it is under way."""

    job: FineTuningJob
    now: dict[str, Any]


class _Jobs(NamedTuple):
    """A page of the list."""

    lines: tuple[_Line, ...]
    more: bool


async def draw(here: Here) -> None:
    """Put the list on the page, and keep it up to date."""
    after = here.query.get("after")

    async def find() -> _Jobs:
        return await here.do(_find, here.loop, after)

    shown = parts.live(lambda jobs: _draw(here, jobs), await find())

    async def look() -> None:
        shown.show(await find())

    parts.every(_EVERY, look)


def _find(loop: Loop, after: str | None) -> _Jobs:
    found, more = loop.store.jobs.page(limit=_SHOWN, after=after)
    return _Jobs(tuple(_Line(job, {} if job_words.has_ended(job) else latest(loop, job.id)) for job in found), more)


def latest(loop: Loop, job_id: str) -> dict[str, Any]:
    """The metrics of a job's latest step."""
    steps = (schema.events.c.job_id == job_id, schema.events.c.type == "metrics")
    found, _ = loop.store.events.page(*steps, limit=1)
    return dict(found[0].data or {}) if found else {}


def _draw(here: Here, jobs: _Jobs) -> None:
    parts.heading("Jobs")
    if not jobs.lines:
        parts.text("p", "None yet. A job is one training, and leaves a model.", "dim")
        return
    with parts.card():
        headers = ("Job", "State", "Progress", "Model", "Made")
        tables.table(headers, [_row(line) for line in jobs.lines], label="Jobs")
    with parts.row("end"):
        if "after" in here.query:
            parts.link("Newest", here.url(after=None), "plain")
        if jobs.more:
            parts.link("Older", here.url(after=jobs.lines[-1].job.id), "plain")


def _row(line: _Line) -> list[Cell | str]:
    job, now = line
    word, tone = job_words.shown_state(job)
    dataset = job.metadata.get("dataset")
    return [
        Cell(said=job_words.title(job), to=f"/jobs/{job.id}", below=f"on {dataset}" if dataset else job.id),
        Cell(said=word, tone=tone),
        _progress(job, now),
        _model(job),
        tables.when(job.created_at),
    ]


def _progress(job: FineTuningJob, now: dict[str, Any]) -> Cell | str:
    if job.status == "failed":
        return shorten(str((job.error or {}).get("message", "")), _LONGEST, placeholder=" …")
    if job.status == "succeeded":
        return f"done in {job_words.took(job)}"
    if job_words.has_ended(job) or not now:
        return ""
    left = job_words.left(job, now)
    return Cell(said=f"{job_words.share(job, now):.0%}", below=f"{left} left" if left else "")


def _model(job: FineTuningJob) -> Cell:
    if job.fine_tuned_model:
        return Cell(said=job.fine_tuned_model, to=job_words.model_path(job.fine_tuned_model))
    return Cell(said=job.model)
