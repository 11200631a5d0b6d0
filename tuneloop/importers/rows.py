"""Training rows from a file, for a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tuneloop import examples
from tuneloop.errors import InvalidInput
from tuneloop.importers import lines
from tuneloop.types import Json


def training_rows(path: Path) -> Iterator[Mapping[str, Json]]:
    """The rows of a training file as they stand in it, older keys aside; the first one tells the format.

    Raises InvalidData naming the first bad line before any row is given.
    """
    if not path.is_file():
        raise InvalidInput(f"there is no file {str(path)!r}", param="file")
    rows = (examples.modern(line.row) for line in lines.read(path) if line.row is not None)
    method = examples.method_of(next(rows, {})) or "supervised"
    examples.check(path, method, "training_file", path.name)
    return (examples.modern(line.row) for line in lines.read(path) if line.row is not None)
