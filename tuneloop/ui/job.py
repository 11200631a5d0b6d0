"""One job: how far it is, how well it learns, what it was made with, and what comes after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast

from nicegui import ui

from tuneloop import estimates, files, finetuning
from tuneloop.loop import Loop
from tuneloop.reports import numbers
from tuneloop.store import schema
from tuneloop.types import FineTuningJob
from tuneloop.ui import forms, job_parts, job_words, parts
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.job_parts import Epochs, Term
from tuneloop.ui.job_plots import Curves, Plots, curves
from tuneloop.ui.job_story import By, Story

#: seconds between looks
_EVERY = 1.0
#: events read at a time
_READ = 5000


class _View(NamedTuple):
    """A job as it is shown."""

    job: FineTuningJob
    curves: Curves
    epochs: Epochs
    terms: tuple[Term, ...]
    #: how many messages there are
    said: int


def _see(loop: Loop, job_id: str, story: Story, by: By) -> _View:
    """The job now; its new events go into the story. Raises NotFound."""
    store = loop.store
    job = finetuning.get(store, job_id)
    of_job = schema.events.c.job_id == job.id
    while True:
        found, _ = store.events.page(of_job, limit=_READ, after=story.last, ascending=True)
        if story.take(found) < _READ:
            break
    made = job.fine_tuned_model if job.fine_tuned_model and store.models.find(job.fine_tuned_model) else None
    models = job_parts.models_of(store.checkpoints.all(schema.checkpoints.c.job_id == job.id))
    of = (job.training_file, *([job.validation_file] if job.validation_file else []))
    names = {file.id: file.filename for file in store.files.all(schema.files.c.id.in_(of))}
    return _View(
        job=job,
        curves=curves(story, by),
        epochs=Epochs(tuple(story.looks), story.best, models, made),
        terms=job_parts.terms(job, names),
        said=len(story.messages),
    )


async def _job(here: Here) -> None:
    story = Story()
    by: By = "epoch" if here.query.get("by") == "epoch" else "step"
    first = await here.do(_see, here.loop, here.names["job_id"], story, by)
    _Page(here, story, first)


class _Page:
    """What is seen, kept up to date."""

    def __init__(self, here: Here, story: Story, first: _View) -> None:
        self._here, self._story, self._view = here, story, first
        job = first.job
        self._head(job)
        with parts.tag("div", "grid") as self._numbers:
            self._figures = [_Figure() for _ in range(4)]
        with parts.card() as self._card:
            with parts.row("between"):
                self._progress = parts.progress(0, "How far it is").classes("grow")
                self._by()
            self._plots = Plots(first.curves)
        self._epochs = parts.live(job_parts.draw_epochs, first.epochs)
        with parts.tag("div", "job-below"):
            with parts.card():
                parts.heading("Made with")
                self._terms = parts.live(job_parts.draw_terms, first.terms)
            with parts.card():
                parts.heading("Events")
                self._said = parts.live(lambda _: job_parts.draw_messages(story.messages), first.said)
        self._show(first)
        parts.every(_EVERY, self._look)

    def _head(self, job: FineTuningJob) -> None:
        with parts.tag("div"):
            with parts.row():
                parts.text("h1", job_words.title(job))
                with parts.tag("div").props('role="status"'):
                    self._state = parts.live(_badge, job_words.shown_state(job))
            self._doing = parts.text("p", "", "lead")
        self._actions = parts.live(self._act, _settled(job))

    def _by(self) -> None:
        with parts.row("job-by").props('role="group" aria-label="Curves by"'):
            self._buttons = {by: parts.button(f"by {by}", self._turn_to(by), "quiet") for by in ("step", "epoch")}
        self._press()

    def _press(self) -> None:
        for by, button in self._buttons.items():
            button.props["aria-pressed"] = str(by == self._view.curves.by).lower()
            button.update()

    def _turn_to(self, by: str) -> Callable[[], Awaitable[None]]:
        async def turn() -> None:
            self._here.remember(by=None if by == "step" else by)
            self._view = self._view._replace(curves=Curves({}, cast(By, by)))
            await self._look(again=True)
            self._press()

        return turn

    async def _look(self, *, again: bool = False) -> None:
        if job_words.has_ended(self._view.job) and not again:
            return
        seen = await self._here.do(_see, self._here.loop, self._view.job.id, self._story, self._view.curves.by)
        self._show(seen)

    def _show(self, view: _View) -> None:
        self._view = view
        job, now = view.job, self._story.now
        self._state.show(job_words.shown_state(job))
        self._actions.show(_settled(job))
        self._doing.set_text(job_words.doing(job, now))
        for figure, (name, value) in zip(self._figures, _figures(job, self._story), strict=True):
            figure.show(name, value)
        self._progress.props["value"] = f"{job_words.share(job, now):.4f}"
        self._progress.update()
        self._plots.show(view.curves)
        has_curves = bool(view.curves.plots) or not job_words.has_ended(job)
        self._numbers.set_visibility(has_curves)
        self._card.set_visibility(has_curves)
        self._epochs.show(view.epochs)
        self._terms.show(view.terms)
        self._said.show(view.said)

    def _act(self, job: FineTuningJob) -> None:
        """What can be done, and why it has failed."""
        if job.error and job.status == "failed":
            with parts.tag("div", "job-error").props('role="alert"'):
                parts.text("p", str(job.error.get("message", "")))
        with parts.row():
            if job_words.has_ended(job):
                self._after(job)
            elif self._here.may("owner"):
                if job.paused_at:
                    parts.button("Resume", self._resume, "main")
                else:
                    parts.button("Pause", self._pause)
                parts.button("Cancel", self._cancel, "danger")

    def _after(self, job: FineTuningJob) -> None:
        ways = job_words.next_ways(job) if job.status == "succeeded" else list(job_words.ways_out(job))
        for number, way in enumerate(ways):
            parts.link(way.said, way.to, "plain" if number else "main")
        if job.result_files:
            parts.button("Numbers as CSV", self._download, "quiet")

    async def _pause(self) -> None:
        await self._change(finetuning.pause, "It waits at a checkpoint")

    async def _resume(self) -> None:
        job = await self._change(finetuning.resume, "It goes on when its turn comes")
        await self._here.do(self._here.loop.line_up, job)

    async def _cancel(self) -> None:
        await self._here.allowed("owner")
        if await forms.sure("Cancel this job?", "What it has learnt so far is lost.", "Cancel the job"):
            await self._change(finetuning.cancel, "Cancelled")

    async def _change(self, verb: Callable[..., FineTuningJob], said: str) -> FineTuningJob:
        await self._here.allowed("owner")
        job = await self._here.do(verb, self._here.loop.store, self._view.job.id)
        parts.tell(said)
        await self._look(again=True)
        return job

    async def _download(self) -> None:
        store, job = self._here.loop.store, self._view.job
        content = await self._here.do(lambda: b"".join(files.content(store, job.result_files[0])))
        ui.download.content(content, f"{job_words.title(job)}.csv", "text/csv")


class _Figure:
    """A number and what it is, which change in place."""

    def __init__(self) -> None:
        with parts.tag("div", "figure card"):
            self._name = parts.text("span", "", "dim")
            self._value = parts.text("strong", "")

    def show(self, name: str, value: str) -> None:
        """Another value."""
        self._name.set_text(name)
        self._value.set_text(value)


def _figures(job: FineTuningJob, story: Story) -> list[tuple[str, str]]:
    """Names and values of the four figures."""
    rewarded = story.has(["train_mean_reward"])
    learnt = ("Reward", "train_mean_reward") if rewarded else ("Training loss", "train_loss")
    held = ("Validation loss", "valid_loss")
    if rewarded:
        held = ("Validation reward", "valid_mean_reward")
    elif story.has(["valid_score"]):
        held = ("Validation score", "valid_score")
    speed = story.speed()
    found = [(name, numbers.shown(story.latest(key), ".3f")) for name, key in (learnt, held)]
    return [*found, ("Tokens/s", numbers.shown(speed, ",.0f")), _time(job, story)]


def _time(job: FineTuningJob, story: Story) -> tuple[str, str]:
    if job.finished_at and job.started_at:
        return "Took", estimates.duration(job.finished_at - job.started_at)
    planned = story.plan.get("estimated_seconds")
    known = f"about {estimates.duration(planned)}" if isinstance(planned, int | float) else numbers.UNKNOWN
    return "Time left", job_words.left(job, story.now) or (known if job.status == "running" else numbers.UNKNOWN)


def _settled(job: FineTuningJob) -> FineTuningJob:
    """The job without what changes at each step."""
    return replace(job, estimated_finish=None)


def _badge(state: tuple[str, Any]) -> None:
    parts.badge(*state)


PAGE = page("/jobs/{job_id}", "Job")(_job)
