"""Bytes of files, addressed by their SHA-256, in a folder or any place fsspec reaches (s3://...)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import fsspec

from tuneloop.errors import NotFound


class Blobs:
    """Write-once bytes under `root`/ab/cdef...; the same bytes are kept once."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = fsspec.core.url_to_fs(root)

    def put(self, chunks: Iterable[bytes]) -> tuple[str, int]:
        """Write a stream; returns its SHA-256 and its size in bytes. Nothing half-written is ever visible."""
        self.fs.makedirs(self.root, exist_ok=True)
        staged = f"{self.root}/.{uuid.uuid4().hex}"
        digest, size = hashlib.sha256(), 0
        try:
            with self.fs.open(staged, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            path = self._path(digest.hexdigest())
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.fs.mv(staged, path)
        except BaseException:
            if self.fs.exists(staged):
                self.fs.rm(staged)
            raise
        return digest.hexdigest(), size

    def read(self, sha256: str, chunk: int = 1 << 20) -> Iterator[bytes]:
        """The bytes, in pieces. Raises NotFound."""
        path = self._path(sha256)
        if not self.fs.exists(path):
            raise NotFound(f"the bytes of {sha256} are gone from {self.root}")
        with self.fs.open(path, "rb") as file:
            while piece := file.read(chunk):
                yield piece

    def download(self, sha256: str, to: Path) -> None:
        """Copy the bytes into a local file."""
        to.parent.mkdir(parents=True, exist_ok=True)
        with to.open("wb") as file:
            for piece in self.read(sha256):
                file.write(piece)

    def remove(self, sha256: str) -> None:
        """Delete the bytes, if they are there."""
        path = self._path(sha256)
        if self.fs.exists(path):
            self.fs.rm(path)

    def _path(self, sha256: str) -> str:
        return f"{self.root}/{sha256[:2]}/{sha256[2:]}"
