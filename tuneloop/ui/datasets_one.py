"""One data set: what it was made of, its splits, its versions and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from nicegui import ui

from tuneloop import datasets
from tuneloop.store.datasets import Said, Sought
from tuneloop.store.schema import jobs
from tuneloop.types import SPLITS, Dataset, FineTuningJob
from tuneloop.ui import forms, parts, tables
from tuneloop.ui.datasets_files import METHODS
from tuneloop.ui.datasets_rows import Rows
from tuneloop.ui.datasets_words import SPLIT_WORDS, account, path, source, total
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

_METHOD_WORDS = {
    "supervised": "answers to imitate",
    "dpo": "pairs of a better and a worse answer",
    "kto": "answers with a thumb up or down",
    "reinforcement": "prompts for a grader",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Case:
    """A data set and what is known around it."""

    dataset: Dataset
    #: all of its name, newest first
    versions: list[Dataset]
    jobs: list[FineTuningJob]
    said: Said
    #: another version that it is compared with, rows that only this one has, and rows that only the other has
    other: Dataset | None
    added: int = 0
    removed: int = 0


async def _dataset(here: Here) -> None:
    case = await here.do(_look, here)
    dataset = case.dataset
    ui.page_title(f"{dataset.name} · Tuneloop")
    parts.link("All data sets", "/datasets").classes("back")
    with parts.row("between top-of-page"):
        with parts.tag("div"):
            parts.text("h1", dataset.name)
            _made_of(case)
        with parts.row():
            export = _export(case)
            parts.button("Export", export.open)
            parts.link("Examine", path(here.names["name"], "doctor"), "plain")
            parts.link("Tune on it", f"/tune?{urlencode({'dataset': here.names['name']})}", "main")
    _to_know(datasets.warnings(dataset))
    _splits(dataset)
    with parts.tag("div", "beside"):
        _account(dataset)
        _around(here, case)
    await Rows(here, dataset, case.other).show(case.added, case.removed)


def _look(here: Here) -> _Case:
    table = here.loop.store.datasets
    dataset = table.named(here.names["name"])
    versions = table.versions(dataset.name)
    other = table.named(here.query["against"]) if here.query.get("against") else None
    case = _Case(
        dataset=dataset,
        versions=versions,
        jobs=here.loop.store.jobs.all(jobs.c.dataset_id.in_([one.id for one in versions])),
        said=table.said(dataset.id),
        other=other,
        added=0 if other is None else table.count(dataset.id, Sought(without=other.id)),
        removed=0 if other is None else table.count(other.id, Sought(without=dataset.id)),
    )
    return case


def _made_of(case: _Case) -> None:
    made_of, leads = source(case.dataset)
    with parts.tag("p", "lead"):
        parts.text("span", "Made ")
        _when(case.dataset.created_at)
        parts.text("span", " of ")
        parts.link(made_of, leads) if leads else parts.text("span", made_of)
        parts.text("span", ".")
    newest = case.versions[0]
    if newest.id != case.dataset.id:
        with parts.tag("p", "lead"):
            parts.badge("an older version", "warn")
            parts.text("span", " Whoever says the name gets ")
            parts.link("the newest one", path(case.dataset.name))
            parts.text("span", ".")


def _when(moment: float) -> None:
    parts.text("time", tables.ago(moment))


def _to_know(warnings: list[str]) -> None:
    for warning in warnings:
        with parts.tag("p", "to-know"):
            parts.badge("to know", "warn")
            parts.text("span", f"{warning[:1].upper()}{warning[1:]}.")


def _splits(dataset: Dataset) -> None:
    with parts.grid():
        parts.figure("Rows", f"{total(dataset):,}", "in all")
        for split in SPLITS:
            parts.figure(
                split.capitalize(),
                f"{dataset.counts.get(split, 0):,}",
                SPLIT_WORDS[split],
                path(dataset.id, split=split) + "#rows",
            )


def _account(dataset: Dataset) -> None:
    with parts.card():
        parts.heading("What became of every row", f"{dataset.account.get('matched', 0):,} were looked at.")
        with parts.tag("ul", "account"):
            for count, said, kept in account(dataset):
                with parts.tag("li", "" if kept else "dim"):
                    parts.text("b", f"{count:,}")
                    parts.text("span", said)
        if dataset.sha256 is not None:
            with parts.row():
                parts.link("The doctor's report", path(dataset.id, "report")).props('target="_blank"')
                parts.link("Every row, as JSON Lines", path(dataset.id, "account"))


def _around(here: Here, case: _Case) -> None:
    """Its other versions, and the jobs on it."""
    with parts.card():
        parts.heading("Versions", "A data set never changes. Made again under its name, it gets a new version.")
        tables.table(
            ("Version", "Rows", "Made", "Against this"),
            [_version(here, case, one) for one in case.versions[:20]],
            label="Versions",
            numbers=(1,),
        )
        if case.jobs:
            parts.heading("Tuned on it")
            tables.table(
                ("Job", "Model", "State", "When"),
                [_job(job) for job in case.jobs[:20]],
                label="Jobs",
            ).props('id="jobs"')


def _version(here: Here, case: _Case, one: Dataset) -> list[Cell | str]:
    is_this = one.id == case.dataset.id
    short = one.id.removeprefix("ds_")[:8]
    compare = Cell() if is_this else Cell(said="compare", to=here.url(against=one.id, after=None, side=None) + "#rows")
    return [
        Cell(said=short, to=None if is_this else path(one.id), below="this one" if is_this else "", title=one.id),
        f"{total(one):,}",
        tables.when(one.created_at),
        compare,
    ]


def _job(job: FineTuningJob) -> list[Cell | str]:
    tone: parts.Tone = "good" if job.status == "succeeded" else "bad" if job.status == "failed" else "plain"
    return [
        Cell(said=job.suffix or job.id, to=f"/jobs/{job.id}"),
        job.base,
        Cell(said=job.status, tone=tone),
        tables.when(job.created_at),
    ]


def _export(case: _Case) -> forms.Dialog:
    """Training files of its rows: a link for each split of each method."""
    dataset, said = case.dataset, case.said
    rows = {"supervised": said.rows - said.bad, "dpo": said.corrected, "kto": said.rated, "reinforcement": said.rows}
    dialog = forms.Dialog("Export")
    with dialog:
        parts.text("p", "Training files in OpenAI's formats, as JSON Lines. Each method learns something else.", "dim")
        with parts.tag("div", "exports"):
            for method in METHODS:
                with parts.tag("div"):
                    parts.text("h3", method)
                    parts.text("p", _METHOD_WORDS[method], "dim")
                with parts.row():
                    if not rows[method]:
                        parts.text("span", "no such rows", "dim")
                        continue
                    for name, query in (("all rows", {}), *((split, {"split": split}) for split in dataset.counts)):
                        link = parts.link(name, path(dataset.id, "content", method=method, **query))
                        link.props["aria-label"] = f"{method}: {name}"
        with parts.row("end"):
            parts.button("Close", dialog.close)
    return dialog


PAGE = page("/datasets/{name}", "Data set")(_dataset)
