"""The sample log that ships with us: calls of a made-up bicycle shop's support desk, scored by people."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from tuneloop.importers.bulk import Report, import_file
from tuneloop.loop import Loop

SAMPLE = "sample_log.jsonl.gz"


def import_log(loop: Loop, data: Path | None, name: str) -> Report:
    """Import a file, or the sample, marked with a name; what is there already is left alone."""
    with as_file(files("tuneloop.demo").joinpath(SAMPLE)) as sample:
        return import_file(loop.store, data or sample, cost=loop.prices.cost, metadata={"import": name})


def take(loop: Loop, name: str = "sample") -> int:
    """Import the sample; returns how many calls are new."""
    return import_log(loop, None, name).added
