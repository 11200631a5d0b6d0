"""Bytes of files, addressed by their SHA-256, in a folder or any place fsspec reaches (s3://...)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import fsspec

from tuneloop.errors import NotFound

#: bytes that are read or written at a time
PIECE = 1 << 20
#: what has been half-written for so long, nobody writes any more
_ABANDONED = timedelta(days=1)


class Blobs:
    """Write-once bytes under `root`/ab/cdef...; the same bytes are kept once."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(root)

    def stage(self) -> Staged:
        """A place for new bytes, which nobody sees until they are kept."""
        return Staged(self.fs, self.root)

    def put(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Write a stream; returns its SHA-256 and its size in bytes. Nothing half-written is ever visible."""
        with self.stage() as staged:
            for chunk in chunks:
                staged.write(chunk)
            staged.keep()
        return staged.sha256, staged.size

    def open(self, sha256: str) -> BinaryIO:
        """The bytes as a file to read. Raises NotFound."""
        try:
            file: BinaryIO = self.fs.open(_path(self.root, sha256), "rb")
        except FileNotFoundError as error:
            raise NotFound(f"the bytes of {sha256} are gone from {self.root}") from error
        return file

    def read(self, sha256: str, chunk: int = PIECE) -> Iterator[bytes]:
        """The bytes, in pieces. Raises NotFound at once."""
        return _pieces(self.open(sha256), chunk)

    def download(self, sha256: str, to: Path) -> None:
        """Copy the bytes into a local file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for piece in self.read(sha256):
                file.write(piece)

    def remove(self, sha256: str) -> None:
        """Delete the bytes, if they are there."""
        path = _path(self.root, sha256)
        if self.fs.exists(path):
            self.fs.rm(path)

    def sweep(self) -> None:
        """Delete what a process that was killed has left half-written."""
        if not self.fs.exists(self.root):
            return
        for path in self.fs.ls(self.root, detail=False):
            if path.rpartition("/")[2].startswith(".") and self.fs.modified(path) < datetime.now(UTC) - _ABANDONED:
                self.fs.rm(path)


class Staged:
    """Bytes on their way in: `write` them, then `keep` them; what is not kept is gone when the `with` block ends."""

    def __init__(self, fs: Any, root: str) -> None:
        self.size = 0
        self._fs = fs
        self._root = root
        self._digest = hashlib.sha256()
        fs.makedirs(root, exist_ok=True)
        self._path = f"{root}/.{uuid.uuid4().hex}"
        self._file = fs.open(self._path, "wb")

    @property
    def sha256(self) -> str:
        """Of what has been written so far, in hex."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._digest.update(chunk)
        self.size += len(chunk)
        self._file.write(chunk)

    def keep(self) -> None:
        """Make the bytes visible under their `sha256`."""
        self._file.close()
        path = _path(self._root, self.sha256)
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.mv(self._path, path)

    def __enter__(self) -> Staged:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._fs.exists(self._path):
            self._fs.rm(self._path)


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    with file:
        while piece := file.read(size):
            yield piece


def _path(root: str, sha256: str) -> str:
    return f"{root}/{sha256[:2]}/{sha256[2:]}"
