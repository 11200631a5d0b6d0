"""The gateway before an upstream: what passes, what is answered, and what is logged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from sqlalchemy import text

from tests.unit.gateway_server import CHAT, MESSAGES, Running, logged, running, upstream_route
from tuneloop.protocols import Instructions
from tuneloop.store.database import Database
from tuneloop.store.log_writer import LogWriter
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Log

SHORT = Instructions(prompt="short@1", instead=lambda asked: [{"role": "system", "content": "Short."}, *asked[-1:]])
CALL: dict[str, Any] = {"model": "mock", "messages": MESSAGES}


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
def writer(database: Database) -> Iterator[LogWriter]:
    made = LogWriter(database)
    yield made
    made.close()


@pytest.fixture
async def gateway(upstream: UpstreamFake, writer: LogWriter) -> AsyncIterator[Running]:
    routes = {
        "mock": upstream_route("mock", upstream.base_url),
        "alias": upstream_route("mock", upstream.base_url),
        "down": upstream_route("down", "http://127.0.0.1:9/v1"),
        "taught": replace(upstream_route("mock", upstream.base_url), instructions=SHORT),
    }
    async with running(routes, writer) as started:
        yield started


async def _error(response: aiohttp.ClientResponse) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    error = (await response.json())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


async def test_a_model_that_knows_the_instructions_is_told_short_ones_and_the_log_has_the_long(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    raw = json.dumps({"model": "taught", "messages": [{"role": "system", "content": "Long."}, *MESSAGES], "n": 1})
    async with gateway.client.post(CHAT, data=raw) as response:
        assert response.status == 200
    (log,) = await logged(database)
    sent = upstream.requests[0].json
    assert sent["messages"] == [{"role": "system", "content": "Short."}, MESSAGES[-1]] and sent["n"] == 1
    assert (log.request, log.prompt) == (raw.encode(), "short@1")


async def test_whole_answer_passes_untouched_and_is_logged(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    raw = json.dumps({**CALL, "user": "ann", "metadata": {"ticket": "7", "n": 3}, "temperature": 1e-3}, indent=1)
    async with gateway.client.post(CHAT, data=raw) as response:
        body = await response.read()
    assert response.status == 200
    (log,) = await logged(database)
    assert response.headers["x-tuneloop-log-id"] == log.id
    assert upstream.requests[0].body == raw.encode() == log.request
    assert log.response == body
    assert (log.model, log.served_by, log.status, log.error, log.stream) == ("mock", "mock", 200, None, False)
    assert (log.prompt_tokens, log.completion_tokens, log.cost) == (5, 6, 65.0)
    assert (log.finish_reason, log.user, log.metadata) == ("stop", "ann", {"ticket": "7", "n": "3"})
    assert (log.input_text, log.output_text) == ("How are you?", "Hello! How can I help you?")
    assert (log.response_id, log.source, log.endpoint) == ("chatcmpl-fake", "gateway", CHAT)
    assert log.latency_ms > 0 and log.first_token_ms is None


async def test_the_keys_are_exchanged_and_other_headers_pass(gateway: Running, upstream: UpstreamFake) -> None:
    upstream.enqueue(Answer(headers={"openai-processing-ms": "12", "x-request-id": "theirs", "set-cookie": "a=b"}))
    sent = {"OpenAI-Organization": "org-1", "Idempotency-Key": "k", "Connection": "keep-alive", "Cookie": "c=d"}
    async with gateway.client.post(CHAT, json={**CALL, "unheard_of": [1]}, headers=sent) as response:
        await response.read()
    received = upstream.requests[0]
    assert received.headers["authorization"] == "Bearer upstream-key"
    assert (received.headers["openai-organization"], received.headers["idempotency-key"]) == ("org-1", "k")
    assert "cookie" not in received.headers
    assert received.json["unheard_of"] == [1]
    assert response.headers["openai-processing-ms"] == "12"
    assert response.headers["x-request-id"] != "theirs" and "set-cookie" not in response.headers


async def test_an_alias_changes_the_models_name_and_nothing_else(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    raw = '{"messages":[{"role":"user","content":"\\"model\\": \\"x\\""}], "model" : "alias", "top_p":1.0}'
    async with gateway.client.post(CHAT, data=raw) as response:
        assert response.status == 200
    assert upstream.requests[0].body.decode() == raw.replace('"model" : "alias"', '"model":"mock"')
    nested = {"model": "alias", "messages": MESSAGES, "metadata": {"model": "mine"}}
    async with gateway.client.post(CHAT, json=nested) as response:
        assert response.status == 200
    assert upstream.requests[1].json == {**nested, "model": "mock"}
    assert [(log.model, log.served_by) for log in await logged(database, 2)] == [("alias", "mock")] * 2


@pytest.mark.parametrize("cut", [1, 7, 4096])
async def test_stream_passes_untouched_and_is_logged_before_its_end(
    gateway: Running, upstream: UpstreamFake, database: Database, cut: int
) -> None:
    upstream.enqueue(Answer(text="It says [DONE] but is not", pause=0.01))
    seen, logs_at_end = b"", None
    async with gateway.client.post(CHAT, json={**CALL, "stream": True}) as response:
        while chunk := await response.content.read(cut):
            seen += chunk
            if seen.endswith(b"data: [DONE]\n\n") and logs_at_end is None:
                logs_at_end = await logged(database, 0)
    assert logs_at_end is not None
    (log,) = logs_at_end
    assert log.response == seen
    assert (log.stream, log.status, log.finish_reason) == (True, 200, "stop")
    assert log.output_text == "It says [DONE] but is not"
    assert log.prompt_tokens is None and log.cost is None
    assert 0 < log.first_token_ms < log.latency_ms


async def test_stream_arrives_piece_by_piece(gateway: Running, upstream: UpstreamFake) -> None:
    upstream.enqueue(Answer(text="one two three four", pause=0.05))
    times = []
    async with gateway.client.post(CHAT, json={**CALL, "stream": True}) as response:
        async for _ in response.content.iter_any():
            times.append(asyncio.get_running_loop().time())
    assert len(times) >= 5
    assert times[-1] - times[0] > 0.15


async def test_usage_and_tool_calls_of_a_stream(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "sort", "arguments": '{"queue": "billing"}'}}
    upstream.enqueue(Answer(text="", tool_calls=[call]))
    asked = {**CALL, "stream": True, "stream_options": {"include_usage": True}}
    async with gateway.client.post(CHAT, json=asked) as response:
        await response.read()
    (log,) = await logged(database)
    assert (log.prompt_tokens, log.completion_tokens, log.finish_reason) == (5, 0, "tool_calls")
    assert json.loads(log.output_text) == [call]


async def test_the_official_client(gateway: Running) -> None:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="sk-test") as client:
        messages: Any = MESSAGES
        whole = await client.chat.completions.create(model="mock", messages=messages)
        assert whole.choices[0].message.content == "Hello! How can I help you?"
        stream = await client.chat.completions.create(model="mock", messages=messages, stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == "Hello! How can I help you?"
        with pytest.raises(openai.NotFoundError, match="nobody"):
            await client.chat.completions.create(model="nobody", messages=messages)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic c2stdGVzdA=="}])
async def test_wrong_keys_are_refused_and_not_logged(
    gateway: Running, database: Database, header: dict[str, str]
) -> None:
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.post(gateway.url + CHAT, json=CALL, headers=header) as response,
    ):
        assert response.status == 401
        assert (await _error(response))["code"] == "invalid_api_key"
    assert await logged(database, 0) == []


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ("{not json", 400, None),
        ("[1]", 400, None),
        ('{"messages": [{"role": "user", "content": "x"}]}', 400, "model"),
        ('{"model": 3, "messages": [{"role": "user", "content": "x"}]}', 400, "model"),
        ('{"model": "mock"}', 400, "messages"),
        ('{"model": "mock", "messages": []}', 400, "messages"),
        ('{"model": "nobody", "messages": [{}]}', 404, "model"),
        ('{"model": "down", "messages": [{}]}', 502, None),
    ],
)
async def test_what_is_wrong_is_said_and_logged(
    gateway: Running, database: Database, body: str, status: int, param: str | None
) -> None:
    async with gateway.client.post(CHAT, data=body) as response:
        assert response.status == status
        error = await _error(response)
    assert error["param"] == param
    (log,) = await logged(database)
    assert (log.status, log.error, log.request) == (status, error["message"], body.encode())
    assert json.loads(log.response)["error"] == error


async def test_too_large_a_body(gateway: Running) -> None:
    async with gateway.client.post(CHAT, data=b"x" * 100_001) as response:
        assert response.status == 413
        await _error(response)


@pytest.mark.parametrize("stream", [False, True])
async def test_the_upstreams_errors_pass_and_are_logged(
    gateway: Running, upstream: UpstreamFake, database: Database, stream: bool
) -> None:
    upstream.enqueue(Answer(status=429, text="Slow down", headers={"retry-after": "3"}))
    async with gateway.client.post(CHAT, json={**CALL, "stream": stream}) as response:
        assert response.status == 429 and response.headers["retry-after"] == "3"
        assert (await _error(response))["message"] == "Slow down"
    (log,) = await logged(database)
    assert (log.status, log.error) == (429, "Slow down")


async def test_an_answer_that_is_not_json_passes(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    upstream.enqueue(Answer(raw=b"\x00<html>", status=500))
    async with gateway.client.post(CHAT, json=CALL) as response:
        assert (response.status, await response.read()) == (500, b"\x00<html>")
    (log,) = await logged(database)
    assert (log.response, log.output_text, log.error) == (b"\x00<html>", "", "\ufffd<html>")


async def test_a_connection_lost_before_the_answer_is_tried_once_more(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    upstream.enqueue(Answer(drop_after=0))
    async with gateway.client.post(CHAT, json=CALL) as response:
        assert response.status == 200
    upstream.enqueue(Answer(drop_after=0), Answer(drop_after=0))
    async with gateway.client.post(CHAT, json=CALL) as response:
        assert response.status == 502
        assert (await _error(response))["code"] == "upstream_error"
    assert [log.status for log in await logged(database, 2)] == [200, 502]


async def test_a_stream_that_breaks_says_so(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    upstream.enqueue(Answer(text="one two three", drop_after=3, pause=0.02))
    async with gateway.client.post(CHAT, json={**CALL, "stream": True}) as response:
        seen = await response.read()
    assert b"[DONE]" not in seen
    assert b'data: {"error":{' in seen
    (log,) = await logged(database)
    assert (log.status, log.output_text, log.response) == (502, "one two", seen)
    assert "broke off" in log.error


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_frees_the_upstream_and_is_logged(
    gateway: Running, upstream: UpstreamFake, database: Database, stream: bool
) -> None:
    upstream.enqueue(Answer(text="one two three four", delay=0 if stream else 30, pause=30 if stream else 0))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), gateway.client.post(CHAT, json={**CALL, "stream": stream}) as response:
            await response.read()
    (log,) = await logged(database)
    assert (log.status, log.error) == (499, "client disconnected")
    assert log.response.startswith(b"data: ") if stream else log.response == b""
    for _ in range(100):
        if upstream.cancelled:
            break
        await asyncio.sleep(0.01)
    assert upstream.cancelled == 1


async def test_a_call_under_way_when_the_server_stops_is_told_to_come_again(
    gateway: Running, upstream: UpstreamFake, database: Database
) -> None:
    upstream.enqueue(Answer(delay=30))
    asking = asyncio.create_task(_status_and_error(gateway))
    while not upstream.requests:
        await asyncio.sleep(0.01)
    gateway.server.should_exit = True
    status, error = await asking
    assert (status, error["type"], error["code"]) == (503, "server_error", "unavailable")
    (log,) = await logged(database)
    assert (log.status, log.error) == (503, "the server was shut down")


async def _status_and_error(gateway: Running) -> tuple[int, dict[str, object]]:
    async with gateway.client.post(CHAT, json=CALL) as response:
        return response.status, (await response.json())["error"]


async def test_other_paths_go_to_the_rest_of_the_api(gateway: Running) -> None:
    ids = set()
    for path in ("/v1/models", "/", CHAT):
        async with gateway.client.get(path) as response:
            assert (response.status, await response.text()) == (404, "the rest of the API")
            ids.add(response.headers["x-request-id"])
    assert len(ids) == 3


async def test_completions_are_logged_too(gateway: Running, upstream: UpstreamFake, database: Database) -> None:
    answer = {"id": "cmpl-1", "choices": [{"index": 0, "text": "4", "finish_reason": "length"}]}
    upstream.enqueue(Answer(raw=json.dumps(answer).encode()))
    async with gateway.client.post("/v1/completions", json={"model": "mock", "prompt": "2+2="}) as response:
        assert response.status == 200
    assert upstream.requests[0].path == "/v1/completions"
    (log,) = await logged(database)
    assert (log.input_text, log.output_text, log.finish_reason) == ("2+2=", "4", "length")


class _FullDisk:
    async def record(self, log: Log) -> None:
        raise OSError("No space left on device")


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_cannot_be_logged_is_withheld(upstream: UpstreamFake, stream: bool) -> None:
    async with running({"mock": upstream_route("mock", upstream.base_url)}, _FullDisk()) as gateway:
        async with gateway.client.post(CHAT, json={**CALL, "stream": stream}) as response:
            body = await response.read()
    assert b"No space left on device" in body
    assert response.status == 500 if not stream else b"[DONE]" not in body


async def test_many_calls_at_once_are_all_logged(gateway: Running, database: Database) -> None:
    async def one(number: int) -> None:
        async with gateway.client.post(CHAT, json={**CALL, "metadata": {"number": str(number)}}) as response:
            assert response.status == 200

    await asyncio.gather(*(one(number) for number in range(100)))
    with database.read() as connection:
        values = connection.execute(text("SELECT value FROM log_metadata WHERE key = 'number'")).scalars().all()
    assert {int(value) for value in values} == set(range(100))
