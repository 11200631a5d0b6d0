"""Large files and batches as their users run them: a real server, the official client, the real model, kill -9."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
import pytest
from openai.types import Batch

from tests.acceptance.server import Server

MODEL = "smollm2-135m-instruct"
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent, TUNELOOP_SLOTS="4") as running:
        ask(running, "Wake up")
        yield running


def ask(server: Server, text: str, **fields: Any) -> None:
    messages: Any = [{"role": "user", "content": text}]
    server.openai.chat.completions.create(model=MODEL, messages=messages, **({"max_tokens": 2} | fields))


def start(server: Server, count: int, max_tokens: int = 10) -> Batch:
    def body(number: int) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"Tell me a story of {number} bears."}]
        return {"model": MODEL, "max_tokens": max_tokens, "messages": messages, "user": "batch"}

    row = {"method": "POST", "url": "/v1/chat/completions"}
    lines = [json.dumps({"custom_id": f"r{i}", "body": body(i), **row}) for i in range(count)]
    file = server.openai.files.create(file=("in.jsonl", "\n".join(lines).encode()), purpose="batch")
    return server.openai.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def until(server: Server, batch: Batch, *statuses: str, completed: int = 0, seconds: float = 150) -> Batch:
    deadline = time.monotonic() + seconds
    while True:
        now = server.openai.batches.retrieve(batch.id)
        assert now.request_counts is not None
        if now.status in statuses and now.request_counts.completed >= completed:
            return now
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def lines(server: Server, file_id: str | None) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.openai.files.content(file_id or "").text.splitlines()]


class Zeros(BytesIO):
    """Many bytes that take no memory to send."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.name, self.size, self.at = "zeros.bin", size, 0

    def read(self, size: int | None = -1) -> bytes:
        left = self.size - self.at
        piece = bytes(left if size is None or size < 0 else min(size, left))
        self.at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = (0, self.at, self.size)[whence] + offset
        return self.at

    def tell(self) -> int:
        return self.at


class Watching:
    """How many bytes a process grows by, at most, while the `with` block lasts."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.before = self.highest = self.growth = 0

    def watch(self) -> None:
        while not self.ended.wait(0.005):
            self.highest = max(self.highest, self.process.memory_info().rss)

    def __enter__(self) -> Watching:
        self.before = self.highest = self.process.memory_info().rss
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self.growth = self.highest - self.before


def test_large_files_take_no_memory(server: Server) -> None:
    size = 300 * MEGABYTE
    server.openai.files.create(file=("small", b"x"), purpose="user_data")
    with Watching(server.process.pid) as watching:
        file = server.openai.files.create(file=Zeros(size), purpose="user_data")
    assert file.bytes == size and watching.growth < 64 * MEGABYTE, watching.growth
    with Watching(server.process.pid) as watching:
        with server.openai.files.with_streaming_response.content(file.id) as response:
            assert sum(len(piece) for piece in response.iter_bytes()) == size
    assert watching.growth < 64 * MEGABYTE, watching.growth
    server.openai.files.delete(file.id)
    upload = server.openai.uploads.create(
        bytes=3 * 60 * MEGABYTE, filename="x.bin", mime_type="application/octet-stream", purpose="user_data"
    )
    with Watching(server.process.pid) as watching:
        parts = [server.openai.uploads.parts.create(upload.id, data=Zeros(60 * MEGABYTE)).id for _ in range(3)]
        done = server.openai.uploads.complete(upload.id, part_ids=parts)
    assert done.file is not None and done.file.bytes == 3 * 60 * MEGABYTE
    assert watching.growth < 64 * MEGABYTE, watching.growth
    server.openai.files.delete(done.file.id)


def test_a_killed_server_answers_no_request_twice(server: Server) -> None:
    batch = start(server, 20)
    until(server, batch, "in_progress", completed=3)
    server.kill()
    server.start()
    done = until(server, batch, "completed")
    assert (done.request_counts.total, done.request_counts.completed) == (20, 20)  # type: ignore[union-attr]
    found = lines(server, done.output_file_id)
    assert [line["custom_id"] for line in found] == [f"r{i}" for i in range(20)]
    assert all(line["response"]["status_code"] == 200 and line["error"] is None for line in found)
    usages = [line["response"]["body"]["usage"] for line in found]
    assert done.usage is not None and done.error_file_id is None
    assert done.usage.output_tokens == sum(usage["completion_tokens"] for usage in usages) > 20
    assert done.usage.total_tokens == sum(usage["total_tokens"] for usage in usages)


def test_everybody_else_goes_first(server: Server) -> None:
    batch = start(server, 24)
    until(server, batch, "in_progress", completed=2)
    spans = []
    for _ in range(2):
        began = time.time()
        ask(server, "Tell me a long story.", max_tokens=60)
        spans.append((began, time.time()))
    assert until(server, batch, "in_progress", "completed").status == "in_progress"
    until(server, batch, "completed")
    found = server.client.call("GET", "/logs?where=user%20%3D%20batch&limit=100")["data"]
    begun = [log["created_at"] for log in found if log["created_at"] >= spans[0][0]]
    assert len(begun) > 3
    # While somebody else is answered no request of the batch begins, save those that arrive in the same moment: one
    # in each of the two places at most.
    assert all(sum(start < at < end for at in begun) <= 2 for start, end in spans)


def test_cancelling_takes_seconds_and_keeps_what_is_there(server: Server) -> None:
    batch = start(server, 500, max_tokens=30)
    until(server, batch, "in_progress", completed=2)
    began = time.monotonic()
    assert server.openai.batches.cancel(batch.id).status == "cancelling"
    done = until(server, batch, "cancelled")
    assert time.monotonic() - began < 5
    answered = [line["custom_id"] for line in lines(server, done.output_file_id)]
    left = [line["custom_id"] for line in lines(server, done.error_file_id)]
    assert done.request_counts is not None and len(answered) == done.request_counts.completed >= 2
    assert sorted(answered + left) == sorted(f"r{i}" for i in range(500))
