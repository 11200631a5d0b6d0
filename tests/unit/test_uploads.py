"""Uploads: parts become a file; through a real server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.unit.api_server import KEY, Running, running
from tests.unit.test_files import refused
from tuneloop import uploads
from tuneloop.errors import InvalidInput
from tuneloop.store import Store

CONTENT = bytes(range(256)) * 1000
REQUEST: dict[str, Any] = {
    "bytes": len(CONTENT),
    "filename": "tränke.jsonl",
    "mime_type": "text/jsonl",
    "purpose": "fine-tune",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[OpenAI]:
    url = f"{server.url}/v1"
    with OpenAI(base_url=url, api_key=KEY, max_retries=0, _strict_response_validation=True) as made:
        yield made


def blobs(server: Running) -> int:
    return len([path for path in (server.loop.settings.home / "files").rglob("*") if path.is_file()])


def test_the_official_helper(client: OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "in parts.jsonl"
    path.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    done = client.uploads.upload_file_chunked(
        file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=100_000, md5=md5
    )
    assert (done.status, done.bytes, done.filename) == ("completed", len(CONTENT), "in parts.jsonl")
    assert done.file is not None and done.file.purpose == "fine-tune"
    assert client.files.retrieve(done.file.id) == done.file
    assert client.files.content(done.file.id).content == CONTENT
    client.files.delete(done.file.id)


def test_parts_are_put_together_in_the_order_that_is_given(server: Running, client: OpenAI) -> None:
    before = blobs(server)
    upload = client.uploads.create(**REQUEST, expires_after={"anchor": "created_at", "seconds": 7200})
    assert (upload.status, upload.object, upload.file) == ("pending", "upload", None)
    assert upload.expires_at - upload.created_at == 3600
    second = client.uploads.parts.create(upload.id, data=CONTENT[5000:])
    first = client.uploads.parts.create(upload.id, data=CONTENT[:5000])
    unused = client.uploads.parts.create(upload.id, data=b"unused")
    assert (first.object, first.upload_id) == ("upload.part", upload.id)
    assert len({first.id, second.id, unused.id}) == 3
    done = client.uploads.complete(upload.id, part_ids=[first.id, second.id])
    assert done.file is not None and done.file.expires_at == done.file.created_at + 7200
    assert client.files.content(done.file.id).content == CONTENT
    assert blobs(server) == before + 1  # the parts are gone
    client.files.delete(done.file.id)
    assert blobs(server) == before


def test_what_cannot_be_completed_stays_pending(server: Running, client: OpenAI) -> None:
    upload = client.uploads.create(**REQUEST)
    part = client.uploads.parts.create(upload.id, data=CONTENT)
    other = client.uploads.parts.create(client.uploads.create(**REQUEST).id, data=CONTENT)
    path = f"/v1/uploads/{upload.id}/complete"
    for body, param in (
        ({}, "part_ids"),
        ({"part_ids": "x"}, "part_ids"),
        ({"part_ids": [1]}, "part_ids"),
        ({"part_ids": []}, "part_ids"),
        ({"part_ids": ["part_nope"]}, "part_ids"),
        ({"part_ids": [other.id]}, "part_ids"),
        ({"part_ids": [part.id, part.id]}, "part_ids"),
        ({"part_ids": [part.id], "md5": "0" * 32}, "md5"),
        ({"part_ids": [part.id], "md5": 7}, "md5"),
    ):
        refused(server.client.post(path, json=body), 400, param)
    assert client.uploads.complete(upload.id, part_ids=[part.id]).status == "completed"


@pytest.mark.parametrize(
    ("changes", "param"),
    [({name: None}, name) for name in REQUEST]
    + [({name: {}}, name) for name in REQUEST]
    + [
        ({"bytes": 0}, "bytes"),
        ({"bytes": 8 * 1024**3 + 1}, "bytes"),
        ({"bytes": 1.5}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"filename": ""}, "filename"),
        ({"filename": "x.csv"}, "file"),
        ({"purpose": "nonsense"}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"expires_after": 3600}, "expires_after"),
        ({"expires_after": {"anchor": "created_at"}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "x", "seconds": 3600}}, "expires_after.anchor"),
    ],
)
def test_wrong_fields_are_named(server: Running, changes: dict[str, Any], param: str) -> None:
    refused(server.client.post("/v1/uploads", json=REQUEST | changes), 400, param)


def test_wrong_parts(server: Running, client: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"/v1/uploads/{client.uploads.create(**REQUEST).id}/parts"
    refused(server.client.post(path, files={"data": ("x", b"")}), 400, "data")
    refused(server.client.post(path, files={"file": ("x", b"x")}), 400, "data")
    refused(server.client.post(path, json={"data": "x"}), 415, None)
    assert uploads.MOST_PART_BYTES == 64 * 1024 * 1024
    monkeypatch.setattr(uploads, "MOST_PART_BYTES", 1000)
    refused(server.client.post(path, files={"data": ("x", b"x" * 1001)}), 413, "data")
    refused(server.client.post("/v1/uploads/upload_nope/parts", files={"data": ("x", b"x")}), 404, "upload_id")


@pytest.mark.parametrize("end", ["cancelled", "expired", "completed"])
def test_an_upload_that_has_ended_takes_nothing_more(server: Running, client: OpenAI, end: str) -> None:
    before = blobs(server)
    upload = client.uploads.create(**REQUEST)
    part = client.uploads.parts.create(upload.id, data=CONTENT)
    if end == "cancelled":
        cancelled = client.uploads.cancel(upload.id)
        assert (cancelled.status, cancelled.file) == ("cancelled", None)
    elif end == "expired":
        server.loop.store.uploads.change(upload.id, expires_at=time.time() - 1)  # an hour later
    else:
        client.files.delete(client.uploads.complete(upload.id, part_ids=[part.id]).file.id)  # type: ignore[union-attr]
    path = f"/v1/uploads/{upload.id}"
    for answer in (
        server.client.post(f"{path}/parts", files={"data": ("x", b"x")}),
        server.client.post(f"{path}/complete", json={"part_ids": [part.id]}),
        server.client.post(f"{path}/cancel"),
    ):
        assert f"{upload.id} is {end}" in refused(answer, 400, "upload_id")
    assert blobs(server) == before


def test_unknown_uploads(server: Running) -> None:
    refused(server.client.post("/v1/uploads/upload_nope/complete", json={"part_ids": []}), 404, "upload_id")
    refused(server.client.post("/v1/uploads/upload_nope/cancel"), 404, "upload_id")


def test_uploads_expire_by_themselves(store: Store) -> None:
    late, early = uploads.create(store, REQUEST), uploads.create(store, REQUEST)
    for upload in (late, early):
        with store.blobs.stage() as staged:
            staged.write(CONTENT)
            uploads.add_part(store, upload, staged)
    store.uploads.change(late.id, expires_at=time.time() - 1)
    uploads.sweep(store)
    assert (store.uploads.get(late.id).status, store.uploads.get(early.id).status) == ("expired", "pending")
    assert [part.upload_id for part in store.upload_parts.all()] == [early.id]
    assert b"".join(store.blobs.read(hashlib.sha256(CONTENT).hexdigest())) == CONTENT  # the other still has them


def test_a_part_that_comes_after_the_end_is_refused(store: Store) -> None:
    upload = uploads.create(store, REQUEST)
    uploads.cancel(store, upload.id)  # while the part was on its way
    with store.blobs.stage() as staged:
        staged.write(b"late")
        with pytest.raises(InvalidInput, match="not pending any more"):
            uploads.add_part(store, upload, staged)
    assert store.upload_parts.all() == []
