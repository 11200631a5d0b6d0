"""Files: uploaded or produced bytes with a name and a purpose, as OpenAI has them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.blobs import Staged
from tuneloop.store.database import clean
from tuneloop.store.ids import new_id
from tuneloop.types import File

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
#: purposes of files that only the server makes
PRODUCED = ("assistants_output", "batch_output", "fine-tune-results")
MOST_BYTES = 512 * 1024 * 1024
#: files of this purpose expire where nothing is said: after 30 days
BATCH_SECONDS = 2592000

_NEEDS_JSONL = {"fine-tune": "Fine-Tuning", "batch": "Batch"}


def create(store: Store, filename: str, purpose: str, chunks: Iterable[bytes], *, seconds: int | None = None) -> File:
    """Keep bytes as a file, for ever or for so many `seconds`. Raises InvalidInput for a wrong purpose or name, and
    for no bytes at all."""
    with store.blobs.stage() as staged:
        for chunk in chunks:
            staged.write(chunk)
        file = uploaded(filename, purpose, staged, seconds)
        store.files.keep(file, staged)
    return file


def uploaded(filename: str, purpose: str, staged: Staged, seconds: int | None = None) -> File:
    """The File that staged bytes will be when they are kept. Raises InvalidInput as `create` does."""
    check(filename, purpose)
    if not staged.size:
        raise InvalidInput("File is empty. Send one with at least one byte.", param="file")
    if purpose == "batch" and seconds is None:
        seconds = BATCH_SECONDS
    return _file(filename, purpose, staged, seconds)


def produced(filename: str, purpose: str, staged: Staged, seconds: int | None = None) -> File:
    """The same for what the server itself has made."""
    assert purpose in PRODUCED, purpose
    return _file(filename, purpose, staged, seconds)


def check(filename: str, purpose: str) -> None:
    """Raises InvalidInput for what no file can be called or be for."""
    if purpose not in PURPOSES:
        raise InvalidInput(f"{purpose!r} is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    # Bytes that are sent without a name are called "upload", "file" or "blob" by their sender's library.
    if purpose in _NEEDS_JSONL and "." in filename and not filename.lower().endswith(".jsonl"):
        message = f"Invalid file format for {_NEEDS_JSONL[purpose]} API. Must be .jsonl, not {filename!r}."
        raise InvalidInput(message, param="file")


def get(store: Store, file_id: str) -> File:
    """Raises NotFound."""
    file = store.files.find(file_id)
    if file is None:
        raise NotFound(f"No such File object: {file_id}", param="id")
    return file


def content(store: Store, file_id: str) -> Iterator[bytes]:
    """The bytes, as they came. Raises NotFound."""
    return store.blobs.read(get(store, file_id).sha256)


def delete(store: Store, file_id: str) -> None:
    """Forget a file; its bytes go when no other file has the same ones. Raises NotFound."""
    store.files.remove(get(store, file_id).id)


def sweep(store: Store) -> None:
    """Forget the files that have expired, and what was never written to its end."""
    for file_id in store.files.expired():
        store.files.remove(file_id)
    store.blobs.sweep()


def _file(filename: str, purpose: str, staged: Staged, seconds: int | None) -> File:
    now = time.time()
    return File(
        id=new_id("file-"),
        created_at=now,
        filename=clean(filename),
        purpose=purpose,
        bytes=staged.size,
        sha256=staged.sha256,
        expires_at=None if seconds is None else now + seconds,
    )
