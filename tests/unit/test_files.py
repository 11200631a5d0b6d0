"""Files: what is kept, for how long, and how a form with a file in it is read; through a real server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from tests.unit.api_server import KEY, Running, running
from tuneloop import files
from tuneloop.api.sweeping import swept
from tuneloop.errors import NotFound
from tuneloop.store import Store

MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}


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


def refused(answer: httpx2.Response, status: int, param: str | None) -> str:
    """The message of an error in OpenAI's form."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    return str(error["message"])


NAMES = (
    "tränke ☃.jsonl",
    'we"ird; name=x.txt',
    "semi;colon, comma.txt",
    "back\\slash.txt",
    "日本語.txt",
    "no_extension",
    "a b",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_comes_back_byte_for_byte_under_its_name(client: OpenAI, name: str) -> None:
    content = bytes(range(256)) * 20 + b"\r\n--xyz\r\n\r\n--"
    made = client.files.create(file=(name, content), purpose="user_data")
    assert (made.filename, made.bytes, made.status, made.object) == (name, len(content), "processed", "file")
    assert made.id.startswith("file-") and abs(made.created_at - time.time()) < 5 and made.expires_at is None
    assert client.files.retrieve(made.id) == made
    answer = client.files.content(made.id)
    assert answer.content == content
    headers = answer.response.headers
    assert (headers["content-length"], headers["content-type"]) == (str(len(content)), "application/octet-stream")
    assert headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert client.files.wait_for_processing(made.id).id == made.id


def test_every_purpose(server: Running, client: OpenAI) -> None:
    purposes: Any = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
    for purpose in purposes:
        made = client.files.create(file=("x.jsonl", b"{}"), purpose=purpose)
        # A word that OpenAI's File object does not have: strict clients refuse it.
        assert made.purpose == ("user_data" if purpose == "evals" else purpose)
        assert made.id in [file.id for file in client.files.list(purpose=purpose)]
        kept = None if made.expires_at is None else made.expires_at - made.created_at
        assert kept == (2592000 if purpose == "batch" else None)
    assert [file.filename for file in client.files.list(purpose="nonsense")] == []


def test_lists_page_without_loss(client: OpenAI) -> None:
    for file in client.files.list():
        client.files.delete(file.id)
    made = [client.files.create(file=(f"{i}", b"x"), purpose="vision").id for i in range(7)]
    assert [file.id for file in client.files.list(limit=2)] == made[::-1]
    assert [file.id for file in client.files.list(limit=3, order="asc")] == made
    page = client.files.list(limit=3, after=made[5])
    assert ([file.id for file in page.data], page.has_more) == (made[4:1:-1], True)
    for file in client.files.list(limit=2):  # what is deleted while one pages does not lose the place
        client.files.delete(file.id)
    assert client.files.list().data == []


@pytest.mark.parametrize(
    ("query", "param"), [("limit=0", "limit"), ("limit=10001", "limit"), ("limit=x", "limit"), ("order=up", "order")]
)
def test_wrong_lists(server: Running, query: str, param: str) -> None:
    refused(server.client.get(f"/v1/files?{query}"), 400, param)
    refused(server.client.get("/v1/files?after=file-nope"), 404, "after")


def test_a_deleted_file_is_gone(server: Running, client: OpenAI) -> None:
    made = client.files.create(file=("x", b"some bytes of its own"), purpose="user_data")
    again = client.files.create(file=("y", b"some bytes of its own"), purpose="user_data")
    before = blobs(server)
    assert client.files.delete(made.id).model_dump() == {"id": made.id, "deleted": True, "object": "file"}
    for path in (f"/v1/files/{made.id}", f"/v1/files/{made.id}/content"):
        assert "No such File object" in refused(server.client.get(path), 404, "id")
    refused(server.client.delete(f"/v1/files/{made.id}"), 404, "id")
    assert client.files.content(again.id).content == b"some bytes of its own" and blobs(server) == before
    client.files.delete(again.id)
    assert blobs(server) == before - 1


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"},
        {"expires_after.anchor": "created_at", "expires_after.seconds": "3600"},
        {"expires_after": '{"anchor": "created_at", "seconds": 3600}'},
    ],
)
def test_a_file_expires(server: Running, client: OpenAI, fields: dict[str, str]) -> None:
    form = fields | {"purpose": "user_data"}
    answer = server.client.post("/v1/files", data=form, files={"file": ("x", b"gone in an hour")})
    made = answer.json()
    assert made["expires_at"] - made["created_at"] == 3600
    assert client.files.content(made["id"]).content == b"gone in an hour"
    before = blobs(server)
    server.loop.store.files.change(made["id"], expires_at=time.time() - 1)  # an hour later
    for path in (f"/v1/files/{made['id']}", f"/v1/files/{made['id']}/content"):
        refused(server.client.get(path), 404, "id")
    refused(server.client.delete(f"/v1/files/{made['id']}"), 404, "id")
    assert made["id"] not in [file.id for file in client.files.list()]
    assert blobs(server) == before
    files.sweep(server.loop.store)
    assert blobs(server) == before - 1


async def test_the_server_sweeps_by_itself(sqlite_store: Store) -> None:
    file = files.create(sqlite_store, "x", "user_data", [b"x"], seconds=-1)
    async with swept(sqlite_store, every=0.01):
        for _ in range(500):
            if not sqlite_store.files.expired():
                break
            await asyncio.sleep(0.01)
    with pytest.raises(NotFound):
        sqlite_store.blobs.open(file.sha256)


EXPIRES = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "purpose"),
        ({"purpose": ""}, "purpose"),
        ({"purpose": "nonsense"}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"purpose": "fine-tune-results"}, "purpose"),
        (EXPIRES | {"purpose": "user_data", "expires_after[seconds]": "3599"}, "expires_after.seconds"),
        (EXPIRES | {"purpose": "user_data", "expires_after[seconds]": "2592001"}, "expires_after.seconds"),
        (EXPIRES | {"purpose": "user_data", "expires_after[seconds]": "soon"}, "expires_after.seconds"),
        (EXPIRES | {"purpose": "user_data", "expires_after[seconds]": "9" * 5000}, "expires_after.seconds"),
        (EXPIRES | {"purpose": "user_data", "expires_after[anchor]": "now"}, "expires_after.anchor"),
        ({"purpose": "user_data", "expires_after[seconds]": "3600"}, "expires_after.anchor"),
        ({"purpose": "user_data", "expires_after[anchor]": "created_at"}, "expires_after.seconds"),
        ({"purpose": "user_data", "expires_after": "tomorrow"}, "expires_after"),
        ({"purpose": "user_data", "expires_after": "{}"}, "expires_after.anchor"),
    ],
)
def test_wrong_fields_are_named(server: Running, fields: dict[str, str], param: str) -> None:
    before = blobs(server)
    refused(server.client.post("/v1/files", data=fields, files={"file": ("x.jsonl", b"{}")}), 400, param)
    assert blobs(server) == before


@pytest.mark.parametrize(
    ("name", "content", "purpose", "message"),
    [
        ("train.csv", b"a,b", "fine-tune", "Invalid file format for Fine-Tuning API. Must be .jsonl"),
        ("train.json", b"{}", "fine-tune", "Must be .jsonl"),
        ("batch.txt", b"{}", "batch", "Invalid file format for Batch API. Must be .jsonl"),
        ("x.jsonl", b"", "fine-tune", "File is empty"),
        ("x.txt", b"", "user_data", "File is empty"),
    ],
)
def test_wrong_files_are_refused(server: Running, name: str, content: bytes, purpose: str, message: str) -> None:
    answer = server.client.post("/v1/files", data={"purpose": purpose}, files={"file": (name, content)})
    assert message in refused(answer, 400, "file")


def part(disposition: str, content: str = "x") -> str:
    return f"--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n"


FILE = part('name="file"; filename="x.txt"')
PURPOSE = part('name="purpose"', "user_data")
END = "--xyz--\r\n"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (FILE + PURPOSE + END, 200, None),
        (PURPOSE + FILE + END, 200, None),
        (part('name="other"; filename="y"', "y" * 5000) + PURPOSE + FILE + END, 200, None),
        (FILE + PURPOSE + "--xyz--", 200, None),
        (PURPOSE + part("filename=\"=?x?=\"; filename*=utf-8''%C3%BC.txt; name=file") + END, 200, None),
        (PURPOSE + END, 400, "file"),
        (PURPOSE + part('name="file"', "a text, no file") + END, 400, "file"),
        (PURPOSE + FILE + FILE + END, 400, "file"),
        (PURPOSE + FILE, 400, None),
        (PURPOSE + FILE.replace("\r\n\r\n", "\r\n"), 400, None),
        (part('name="purpose"', "x" * 70000) + FILE + END, 400, None),
        ("", 400, None),
        ("rubbish", 400, None),
        (END, 400, "file"),
        ("--xyz\r\n\r\nno name\r\n" + END, 400, "file"),
    ],
)
def test_forms_of_every_kind(server: Running, body: str, status: int, param: str | None) -> None:
    answer = server.client.post("/v1/files", content=body.encode(), headers=MULTIPART)
    if status == 200:
        assert answer.status_code == 200, answer.text
        assert answer.json()["filename"] in ("x.txt", "ü.txt") and answer.json()["bytes"] == 1
    else:
        refused(answer, status, param)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 415), ("application/x-www-form-urlencoded", 415), ("text/plain", 415), (None, 415)]
    + [("multipart/form-data", 400), ("multipart/form-data; boundary=" + "x" * 5000, 400)],
)
def test_another_content_type(server: Running, content_type: str | None, status: int) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    refused(server.client.post("/v1/files", content=b'{"purpose": "batch"}', headers=headers), status, None)


def test_a_form_may_be_cut_anywhere(server: Running) -> None:
    content = b"\r\n--xy\r\n--xyz_\n" * 9
    body = PURPOSE.encode() + FILE.replace("\r\nx\r\n", "\r\n").encode() + content + b"\r\n" + END.encode()
    for size in (1, 2, 7):
        pieces = (body[i : i + size] for i in range(0, len(body), size))
        answer = server.client.post("/v1/files", content=pieces, headers=MULTIPART)
        assert answer.status_code == 200, answer.text
        assert server.client.get(f"/v1/files/{answer.json()['id']}/content").content == content


def test_whoever_hangs_up_leaves_nothing(server: Running) -> None:
    before = blobs(server)
    head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 5000000\r\n"
    head += f"Content-Type: {MULTIPART['Content-Type']}\r\n\r\n"
    server.raw(head.encode() + PURPOSE.encode() + FILE.encode())
    deadline = time.monotonic() + 10
    while blobs(server) != before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_too_large_a_file(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 3_000_000)
    for content in (b"x" * 3_000_001, b"x" * 9_000_000):
        answer = server.client.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("x", content)})
        assert "larger than 3000000 bytes" in refused(answer, 413, "file")
    answer = server.client.post("/v1/files", data={"purpose": "user_data"}, files={"file": ("x", content[:3_000_000])})
    assert answer.json()["bytes"] == 3_000_000


def test_without_a_key(server: Running) -> None:
    answer = httpx2.post(f"{server.url}/v1/files", data={"purpose": "user_data"}, files={"file": ("x", b"x")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_strict_clients_know_our_errors(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve("file-nope")
    with pytest.raises(openai.BadRequestError) as wrong:
        client.files.create(file=("x.csv", b"x"), purpose="fine-tune")
    assert wrong.value.param == "file"


def test_the_same_bytes_come_and_go_at_the_same_time(store: Store) -> None:
    """Whoever removes the last file of some bytes must not take them from one who is just adding them."""
    problems: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(10):
                file = files.create(store, "x", "user_data", [b"the same"])
                assert b"".join(files.content(store, file.id)) == b"the same"
                files.delete(store, file.id)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and store.files.all() == []


def test_what_a_killed_process_left_is_swept(sqlite_store: Store, tmp_path: Path) -> None:
    sqlite_store.blobs.stage().write(b"half")
    sqlite_store.blobs.stage().write(b"half")
    left = sorted((tmp_path / "files").glob(".*"))
    os.utime(left[0], (0, time.time() - 90000))
    files.sweep(sqlite_store)
    assert sorted((tmp_path / "files").glob(".*")) == left[1:]
