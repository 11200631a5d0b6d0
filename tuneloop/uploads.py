"""Uploads: a file that comes in parts, as OpenAI has them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from tuneloop import fields, files
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store, schema
from tuneloop.store.blobs import PIECE, Staged
from tuneloop.store.database import clean
from tuneloop.store.ids import new_id
from tuneloop.types import File, Json, Upload, UploadPart, UploadStatus

MOST_BYTES = 8 * 1024**3
MOST_PART_BYTES = 64 * 1024 * 1024
#: how long an upload may take
SECONDS = 3600.0


class Completed(NamedTuple):
    """An upload that is done, and the file it has become."""

    upload: Upload
    file: File


def create(store: Store, request: Mapping[str, Any]) -> Upload:
    """A new upload from the fields of OpenAI's request. Raises InvalidInput naming the field."""
    filename = fields.text(request, "filename")
    purpose = fields.text(request, "purpose")
    files.check(filename, purpose)
    now = time.time()
    upload = Upload(
        id=new_id("upload_"),
        created_at=now,
        expires_at=now + SECONDS,
        filename=clean(filename),
        purpose=purpose,
        mime_type=clean(fields.text(request, "mime_type")),
        bytes=fields.whole(request, "bytes", 1, MOST_BYTES),
        file_seconds=fields.expires_after(request.get("expires_after")),
    )
    store.uploads.add(upload)
    return upload


def get(store: Store, upload_id: str) -> Upload:
    """As it is now: one whose time is over has expired. Raises NotFound."""
    upload = store.uploads.find(upload_id)
    if upload is None:
        raise NotFound(f"No upload found with id '{upload_id}'.", param="upload_id")
    if upload.status == "pending" and upload.expires_at <= time.time():
        _end(store, upload_id, "expired")
        upload = store.uploads.get(upload_id)
    return upload


def add_part(store: Store, upload: Upload, staged: Staged) -> UploadPart:
    """Keep a piece of a pending upload. Raises InvalidInput."""
    if not staged.size:
        raise InvalidInput("'data' is empty: a part has at least one byte.", param="data")
    part = UploadPart(
        id=new_id("part_"), upload_id=upload.id, created_at=time.time(), bytes=staged.size, sha256=staged.sha256
    )
    with store.database.write() as connection:
        _still_pending(store, connection, upload)
        store.upload_parts.keep_within(connection, part, staged)
    return part


def check_pending(upload: Upload) -> None:
    """Raises InvalidInput for an upload that takes nothing more."""
    if upload.status != "pending":
        raise InvalidInput(f"Upload {upload.id} is {upload.status}: start a new one.", param="upload_id")


def complete(store: Store, upload_id: str, request: Mapping[str, Any]) -> Completed:
    """Put the parts together, in the order of `part_ids`. Raises InvalidInput for parts it has not, for another number
    of bytes than the upload was to have, and for another MD5 than `md5`; it stays pending then."""
    upload = get(store, upload_id)
    check_pending(upload)
    parts = _parts(store, upload, fields.typed(fields.required(request, "part_ids"), list, "part_ids"))
    md5 = request.get("md5")
    if md5 is not None:
        fields.typed(md5, str, "md5")
    size = sum(part.bytes for part in parts)
    if size != upload.bytes:
        message = (
            f"The parts have {size} bytes in sum, but upload {upload.id} was created with 'bytes': {upload.bytes}."
        )
        raise InvalidInput(message, param="part_ids")
    with store.blobs.stage() as staged:
        found = _put_together(store, parts, staged)
        if md5 is not None and md5.lower() != found:
            raise InvalidInput(f"The MD5 of the parts is {found}, not {md5}.", param="md5")
        file = files.uploaded(upload.filename, upload.purpose, staged, upload.file_seconds)
        with store.database.write() as connection:
            _still_pending(store, connection, upload)
            store.uploads.change_within(connection, upload.id, status="completed", file_id=file.id)
            store.files.keep_within(connection, file, staged)
    _drop_parts(store, upload.id)
    return Completed(store.uploads.get(upload.id), file)


def cancel(store: Store, upload_id: str) -> Upload:
    """Give an upload up; its parts are deleted. Raises InvalidInput when it has ended already."""
    check_pending(get(store, upload_id))
    if not _end(store, upload_id, "cancelled"):
        check_pending(store.uploads.get(upload_id))
    return store.uploads.get(upload_id)


def sweep(store: Store) -> None:
    """Let uploads expire whose time is over, and delete parts that nobody needs any more."""
    late = store.uploads.all(schema.uploads.c.status == "pending", schema.uploads.c.expires_at <= time.time())
    for upload in late:
        _end(store, upload.id, "expired")
    ended = select(schema.uploads.c.id).where(schema.uploads.c.status != "pending")
    for part in store.upload_parts.all(schema.upload_parts.c.upload_id.in_(ended)):
        store.upload_parts.remove(part.id)


def _parts(store: Store, upload: Upload, part_ids: Sequence[Json]) -> list[UploadPart]:
    here = {part.id: part for part in store.upload_parts.all(schema.upload_parts.c.upload_id == upload.id)}
    for part_id in part_ids:
        if fields.typed(part_id, str, "part_ids") not in here:
            raise InvalidInput(f"No part {part_id!r} in upload {upload.id}.", param="part_ids")
    return [here[part_id] for part_id in part_ids]


def _put_together(store: Store, parts: Sequence[UploadPart], staged: Staged) -> str:
    """Write the bytes of the parts one behind the other; returns their MD5 in hex."""
    digest = hashlib.md5(usedforsecurity=False)
    for part in parts:
        for piece in store.blobs.read(part.sha256, PIECE):
            digest.update(piece)
            staged.write(piece)
    return digest.hexdigest()


def _still_pending(store: Store, connection: Connection, upload: Upload) -> None:
    """Hold the upload within the transaction. Raises InvalidInput when it has ended meanwhile."""
    pending = schema.uploads.c.status == "pending"
    if not store.uploads.change_within(connection, upload.id, pending, status="pending"):
        raise InvalidInput(f"Upload {upload.id} is not pending any more: start a new one.", param="upload_id")


def _end(store: Store, upload_id: str, status: UploadStatus) -> bool:
    ended = store.uploads.change(upload_id, schema.uploads.c.status == "pending", status=status)
    if ended:
        _drop_parts(store, upload_id)
    return ended


def _drop_parts(store: Store, upload_id: str) -> None:
    for part in store.upload_parts.all(schema.upload_parts.c.upload_id == upload_id):
        store.upload_parts.remove(part.id)
