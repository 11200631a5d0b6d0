"""Chat-format training rows from a file, for a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneloop import examples
from tuneloop.errors import InvalidInput
from tuneloop.importers import lines


def chat_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of OpenAI chat JSON Lines as they stand in the file. Raises InvalidData naming the first bad line."""
    if not path.is_file():
        raise InvalidInput(f"there is no file {str(path)!r}", param="file")
    checked = examples.read_examples(path)
    for line, _row in zip(lines.read(path), checked, strict=True):
        assert line.row is not None
        yield line.row
