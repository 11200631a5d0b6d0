"""Import of a whole file of calls: streamed, in batches that are each written whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tuneloop.errors import TuneloopError
from tuneloop.importers import formats, lines
from tuneloop.importers.formats import Imported
from tuneloop.protocols import Cost
from tuneloop.store import Store
from tuneloop.store.batches import batches

BATCH = 1000


@dataclass(kw_only=True, slots=True)
class Report:
    """What became of each line of a file: read = added + known + bad."""

    read: int = 0
    added: int = 0
    #: lines that were imported before, or stand twice in the file
    known: int = 0
    scores: int = 0
    bad: int = 0
    #: the first bad lines: number and what is wrong
    errors: list[tuple[int, str]] = field(default_factory=list)


def import_file(
    store: Store,
    path: Path,
    *,
    cost: Cost,
    metadata: Mapping[str, str] | None = None,
    progress: Callable[[Report], None] | None = None,
) -> Report:
    """Import a JSON Lines file of calls (plain or gzipped), each with `metadata` added to its own.

    A line already imported adds nothing; a bad line is counted with its number and reason, and does not stop the
    others."""
    report = Report()
    for batch in batches(_good(lines.read(path), report, cost), BATCH):
        if metadata:
            batch = [_tagged(imported, metadata) for imported in batch]
        _write(store, batch, report)
        if progress is not None:
            progress(report)
    return report


def _good(read: Iterable[lines.Line], report: Report, cost: Cost) -> Iterator[Imported]:
    for line in read:
        report.read += 1
        error = line.error
        if line.row is not None:
            try:
                imported = formats.to_log(line.row, source="import", cost=cost)
            except TuneloopError as problem:
                error = problem.message
            else:
                yield imported
        if error is not None:
            report.bad += 1
            if len(report.errors) < 10:
                report.errors.append((line.number, error))


def _tagged(imported: Imported, metadata: Mapping[str, str]) -> Imported:
    return imported._replace(log=replace(imported.log, metadata={**imported.log.metadata, **metadata}))


def _write(store: Store, batch: list[Imported], report: Report) -> None:
    with store.database.write() as connection:
        fresh = store.logs.unknown(connection, [imported.log for imported in batch])
        store.logs.insert(connection, fresh)
        report.scores += store.scores.insert(connection, [score for imported in batch for score in imported.scores])
    report.added += len(fresh)
    report.known += len(batch) - len(fresh)
