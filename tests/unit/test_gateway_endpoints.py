"""Responses and embeddings of an upstream: passed untouched, measured and logged, streamed ones before their end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.unit.gateway_server import Running, logged, running, upstream_route
from tuneloop.calls import answer_of, assemble, whole
from tuneloop.gateway.stream import EventStream
from tuneloop.store.database import Database
from tuneloop.store.log_writer import LogWriter
from tuneloop.store.stored import StoredTable
from tuneloop.testing import Answer, UpstreamFake

RESPONSES, EMBEDDINGS = "/v1/responses", "/v1/embeddings"
PART = {"type": "output_text", "text": 'Say "type":"response.completed" and event: response.failed', "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
RESPONSE: dict[str, Any] = {
    "id": "resp_theirs",
    "object": "response",
    "status": "completed",
    "model": "mock-2026",
    "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, MESSAGE],
    "usage": {"input_tokens": 7, "output_tokens": 9, "total_tokens": 16},
    "unheard_of": [1],
}
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": [], "usage": None}},
    {"type": "response.output_item.done", "output_index": 0, "item": RESPONSE["output"][0]},
    {"type": "response.output_text.delta", "output_index": 1, "delta": 'Say "type":"response.completed"'},
    {"type": "response.output_text.delta", "output_index": 1, "delta": " and event: response.failed"},
]
LAST = {"type": "response.completed", "response": RESPONSE}


def _stream(*events: dict[str, Any], named: bool = True) -> bytes:
    names = [f"event: {event['type']}\n" if named else "" for event in events]
    return "".join(f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(names, events, strict=True)).encode()


@pytest.fixture
def upstream() -> Iterator[UpstreamFake]:
    with UpstreamFake() as fake:
        yield fake


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    yield opened
    opened.close()


@pytest.fixture
async def gateway(upstream: UpstreamFake, database: Database) -> AsyncIterator[Running]:
    writer = LogWriter(database)
    async with running({"mock": upstream_route("mock", upstream.base_url)}, writer) as started:
        yield started
    writer.close()


async def test_a_whole_response(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    body = json.dumps(RESPONSE, indent=1).encode()
    upstream.enqueue(Answer(raw=body))
    tools = [{"type": "web_search"}]
    asked = {"model": "mock", "input": "Hi", "tools": tools, "background": False, "metadata": {"k": "v"}, "user": "ann"}
    async with gateway.client.post(RESPONSES, json=asked) as response:
        assert (response.status, await response.read()) == (200, body)
    assert upstream.requests[0].path == RESPONSES and upstream.requests[0].json == asked
    (log,) = await logged(database)
    assert (log.endpoint, log.response_id, log.input_text) == (RESPONSES, "resp_theirs", "Hi")
    assert (log.prompt_tokens, log.completion_tokens, log.cost) == (7, 9, 97.0)
    assert (log.finish_reason, log.output_text, log.user) == ("stop", PART["text"], "ann")
    kept = StoredTable(database).find("response", "resp_theirs")
    assert kept is not None and kept[0].metadata == {"k": "v"}


@pytest.mark.parametrize("named", [True, False])
async def test_a_streamed_response(gateway: Running, upstream: UpstreamFake, database: Database, named: bool) -> None:
    sent = _stream(*EVENTS, LAST, named=named)
    upstream.enqueue(Answer(raw=sent, headers={"content-type": "text/event-stream; charset=utf-8"}))
    seen = b""
    async with gateway.client.post(RESPONSES, json={"model": "mock", "input": "Hi", "stream": True}) as response:
        while chunk := await response.content.read(7):
            seen += chunk
            if b'"unheard_of"' in seen.rpartition(b"response.completed")[2] and seen.count(b"in_progress"):
                assert await logged(database, 1), "the last event comes after the Log"
    assert seen == sent
    (log,) = await logged(database)
    assert (log.response, log.stream, log.response_id, log.finish_reason) == (sent, True, "resp_theirs", "stop")
    assert (log.prompt_tokens, log.completion_tokens, log.output_text) == (7, 9, PART["text"])


async def test_a_stream_that_breaks_off_has_what_was_said(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    upstream.enqueue(Answer(raw=_stream(*EVENTS), headers={"content-type": "text/event-stream"}))
    async with gateway.client.post(RESPONSES, json={"model": "mock", "input": "Hi", "stream": True}) as response:
        assert await response.read() == _stream(*EVENTS)
    (log,) = await logged(database)
    assert log.output_text == PART["text"] and log.response_id == "resp_theirs"
    assert StoredTable(database).find("response", "resp_theirs") is None


async def test_embeddings(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    item = {"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    body = {"object": "list", "data": [item], "model": "mock", "usage": usage}
    upstream.enqueue(Answer(raw=json.dumps(body).encode()))
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="sk-test") as client:
        found = await client.embeddings.create(model="mock", input=["first", "second"])
    assert found.data[0].embedding == [0.5, 0.5]
    assert upstream.requests[0].path == EMBEDDINGS and upstream.requests[0].json["encoding_format"] == "base64"
    (log,) = await logged(database)
    assert (log.endpoint, log.input_text, log.output_text) == (EMBEDDINGS, "first", "")
    assert (log.prompt_tokens, log.completion_tokens, log.cost) == (4, 0, 4.0)


@pytest.mark.parametrize("path", [RESPONSES, EMBEDDINGS])
async def test_a_model_is_needed(gateway: Running, path: str) -> None:
    async with gateway.client.post(path, json={"input": "Hi"}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "model")


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
@pytest.mark.parametrize("size", [1, 2, 13, 10_000])
@pytest.mark.parametrize("named", [True, False])
def test_the_last_event_stays_behind_however_the_stream_is_cut(kind: str, size: int, named: bool) -> None:
    last = _stream({"type": f"response.{kind}", "response": RESPONSE}, named=named)
    sent = _stream(*EVENTS, named=named) + last
    stream = EventStream({}, None)
    passed = b"".join(stream.feed(sent[start : start + size]) for start in range(0, len(sent), size))
    assert (passed, stream.rest, stream.done) == (_stream(*EVENTS, named=named), last, True)


def test_a_streamed_response_is_assembled() -> None:
    assert assemble(_stream(*EVENTS, LAST)) == RESPONSE == whole(json.dumps(RESPONSE).encode())
    assert answer_of(_stream(*EVENTS, LAST)) == {"role": "assistant", "content": PART["text"]}
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
    body = json.dumps({**RESPONSE, "output": [call]}).encode()
    assert answer_of(body) == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    assert answer_of(json.dumps({**RESPONSE, "output": []}).encode()) is None
