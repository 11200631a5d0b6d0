"""JSON Lines, read as a stream: one object a line, plain or gzipped, memory independent of the file's size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import orjson

from tuneloop.errors import InvalidData, InvalidInput


class Line(NamedTuple):
    """A line of a file: its number (from 1), its bytes, and the object in it or what is wrong with it."""

    number: int
    raw: bytes
    row: dict[str, Any] | None
    error: str | None


def read(path: Path) -> Iterator[Line]:
    """The lines of a file that are not blank. Raises InvalidInput when there is no such file."""
    with _open(path) as file:
        try:
            for number, raw in enumerate(file, start=1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if raw.strip():
                    yield _line(number, raw)
        except (OSError, EOFError) as error:
            raise InvalidData(f"{path}: cannot be read to the end: {error}") from error


def opened(path: Path) -> IO[bytes]:
    """A file to read. Raises InvalidInput when there is none, or it cannot be opened."""
    if not path.exists():
        raise InvalidInput(f"there is no file {str(path)!r}", param="file")
    if path.is_dir():
        raise InvalidInput(f"{str(path)!r} is a folder; name a JSON Lines file in it", param="file")
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{str(path)!r} cannot be opened: {error.strerror}", param="file") from error


def _open(path: Path) -> IO[bytes]:
    file = opened(path)
    if file.read(2) == b"\x1f\x8b":
        file.close()
        return cast(IO[bytes], gzip.open(path, "rb"))
    file.seek(0)
    return file


def _line(number: int, raw: bytes) -> Line:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Line(number, raw, None, f"not valid JSON: {error}")
    if not isinstance(row, dict):
        return Line(number, raw, None, f"expected an object {{...}}, not {type(row).__name__}")
    return Line(number, raw, row, None)
