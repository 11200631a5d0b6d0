"""Files: uploaded or produced bytes with a name and a purpose, as OpenAI has them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store, schema
from tuneloop.store.ids import new_id
from tuneloop.types import File

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
#: purposes of files that only the server makes
PRODUCED = ("assistants_output", "batch_output", "fine-tune-results")


def create(store: Store, filename: str, purpose: str, chunks: Iterable[bytes], *, produced: bool = False) -> File:
    """Keep bytes as a file. Raises InvalidInput for an unknown purpose."""
    if purpose not in (PRODUCED if produced else PURPOSES):
        raise InvalidInput(f"{purpose!r} is not one of {list(PURPOSES)} - 'purpose'", param="purpose")
    sha256, size = store.blobs.put(chunks)
    file = File(
        id=new_id("file-"), created_at=time.time(), filename=filename, purpose=purpose, bytes=size, sha256=sha256
    )
    store.files.add(file)
    return file


def get(store: Store, file_id: str) -> File:
    """Raises NotFound."""
    file = store.files.find(file_id)
    if file is None:
        raise NotFound(f"No such File object: {file_id}", param="id")
    return file


def content(store: Store, file_id: str) -> Iterator[bytes]:
    """The bytes, as they came."""
    return store.blobs.read(get(store, file_id).sha256)


def delete(store: Store, file_id: str) -> None:
    """Forget a file; its bytes go when no other file has the same ones."""
    file = get(store, file_id)
    store.files.remove(file_id)
    if not store.files.all(schema.files.c.sha256 == file.sha256):
        store.blobs.remove(file.sha256)
