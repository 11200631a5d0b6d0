"""The data sets that there are, and the way to make one of a file."""

from __future__ import annotations

from dataclasses import dataclass

from tuneloop import datasets
from tuneloop.types import SPLITS, Dataset
from tuneloop.ui import parts, tables
from tuneloop.ui.datasets_import import Import
from tuneloop.ui.datasets_words import path, source
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

#: seconds between looks while the page is open
_EVERY = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A name, and its newest version."""

    dataset: Dataset
    versions: int
    #: fine-tuning jobs on any of its versions
    jobs: int


async def _datasets(here: Here) -> None:
    found = await here.do(_look, here)
    with parts.row("between top-of-page"):
        parts.title(
            "Data sets",
            "Answers worth imitating, fixed for ever. A model learns one part of the rows and is judged by a part that "
            "it has never seen.",
        )
        with parts.row():
            parts.link("Choose from the logs", "/logs", "plain")
            if here.may("owner"):
                parts.button("Import a file", Import(here).open, "main")
    shown = parts.live(_list, found)

    async def look() -> None:
        shown.show(await here.do(_look, here))

    parts.every(_EVERY, look)


def _look(here: Here) -> list[_Line]:
    table = here.loop.store.datasets
    tuned = table.tuned()
    by_name: dict[str, list[Dataset]] = {}
    for dataset in table.all():
        by_name.setdefault(dataset.name, []).append(dataset)
    return [
        _Line(dataset=all_of[0], versions=len(all_of), jobs=sum(tuned.get(one.id, 0) for one in all_of))
        for all_of in by_name.values()
    ]


def _list(found: list[_Line]) -> None:
    if not found:
        with parts.empty(
            "No data set yet",
            "Rate some answers good, choose them on the logs page and make a data set of them; or import a file.",
        ):
            parts.link("Go to the logs", "/logs", "main")
        return
    with parts.card("stack datasets"):
        tables.table(
            ("Name", *(split.capitalize() for split in SPLITS), "Made of", "When", "Jobs", "To know"),
            [_row(line) for line in found],
            label="Data sets",
            numbers=(1, 2, 3, 6),
        )


def _row(line: _Line) -> list[Cell | str]:
    dataset = line.dataset
    made_of, leads = source(dataset)
    return [
        Cell(
            said=dataset.name,
            to=path(dataset.name),
            below=f"{line.versions} versions" if line.versions > 1 else "",
        ),
        *(f"{dataset.counts.get(split, 0):,}" for split in SPLITS),
        Cell(said=made_of, to=leads),
        tables.when(dataset.created_at),
        Cell(said=f"{line.jobs:,}", to=path(dataset.name) + "#jobs") if line.jobs else "0",
        _to_know(datasets.warnings(dataset)),
    ]


def _to_know(warnings: list[str]) -> Cell | str:
    if not warnings:
        return ""
    said = "1 note" if len(warnings) == 1 else f"{len(warnings)} notes"
    return Cell(said=said, tone="warn", title="; ".join(warnings))


PAGE = page("/datasets", "Data sets")(_datasets)
