"""Models on trial: they are asked what was asked, nobody waits for them, and their answers are in the log alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.gateway_server import CHAT, MESSAGES, Running, logged, running, upstream_route
from tuneloop import scores
from tuneloop.gateway import shadows
from tuneloop.protocols import Instructions
from tuneloop.store import Blobs, Database, Store
from tuneloop.store.log_writer import LogWriter
from tuneloop.testing import Answer, UpstreamFake

CALL: dict[str, Any] = {"model": "desk", "messages": MESSAGES}
SHORT = Instructions(prompt="short@1", instead=lambda asked: [{"role": "system", "content": "Short."}, *asked[-1:]])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    yield opened
    opened.close()


@pytest.fixture
def trial() -> Iterator[UpstreamFake]:
    with UpstreamFake(Answer(text="On trial.")) as fake:
        yield fake


@asynccontextmanager
async def desk(database: Database, trial: UpstreamFake) -> AsyncIterator[tuple[Running, UpstreamFake]]:
    """A gateway whose "desk" has a shadow."""
    writer = LogWriter(database)
    with UpstreamFake(Answer(text="Given.")) as given:
        shadow = replace(upstream_route("trial", trial.base_url), instructions=SHORT)
        shadow = replace(shadow, model=replace(shadow.model, kind="upstream"))
        routes = {
            "desk": replace(upstream_route("given", given.base_url), shadows=[shadow]),
            "here": replace(upstream_route("given", given.base_url), shadows=[upstream_route("here", trial.base_url)]),
            "down": replace(upstream_route("down", "http://127.0.0.1:9/v1"), shadows=[shadow]),
        }
        async with running(routes, writer) as gateway:
            yield gateway, given
    writer.close()


async def test_the_copy_is_asked_the_same_and_its_answer_is_in_the_log_alone(
    database: Database, trial: UpstreamFake, tmp_path: Path
) -> None:
    call = {**CALL, "metadata": {"id": "7"}, "store": True, "user": "ann"}
    traced = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "Idempotency-Key": "k"}
    async with desk(database, trial) as (gateway, _):
        async with gateway.client.post(CHAT, json=call, headers=traced) as response:
            assert (await response.json())["choices"][0]["message"]["content"] == "Given."
        first, copy = await logged(database, 2)
    assert (first.source, first.served_by, first.output_text) == ("gateway", "given", "Given.")
    assert (copy.source, copy.served_by, copy.output_text) == ("shadow", "trial", "On trial.")
    assert (copy.model, copy.status, copy.user, copy.prompt) == ("desk", 200, "ann", "short@1")
    assert (copy.metadata, copy.trace_id) == ({"shadow_of": first.id}, None) and copy.latency_ms > 0
    asked = trial.requests[0]
    assert asked.json == {"model": "trial", "messages": [{"role": "system", "content": "Short."}, MESSAGES[-1]]} | {
        "user": "ann"
    }
    assert "idempotency-key" not in asked.headers and "traceparent" not in asked.headers
    store = Store(database, Blobs(str(tmp_path / "files")))
    assert scores.give(store, {"metadata": {"id": "7"}, "value": "good"}).log_id == first.id
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT log_id FROM stored").all() == [(first.id,)]


async def test_a_streamed_call_is_streamed_there_too(database: Database, trial: UpstreamFake) -> None:
    async with desk(database, trial) as (gateway, _):
        async with gateway.client.post(CHAT, json={**CALL, "stream": True}) as response:
            assert b"Given." in await response.read()
        _, copy = await logged(database, 2)
    assert (copy.stream, copy.output_text) == (True, "On trial.") and copy.first_token_ms > 0


async def test_nobody_waits_for_a_shadow_that_hangs_and_copies_are_dropped(
    database: Database, trial: UpstreamFake
) -> None:
    trial.default = Answer(delay=60)
    async with desk(database, trial) as (gateway, given):
        for _ in range(3 * shadows.MOST):
            begun = time.perf_counter()
            async with gateway.client.post(CHAT, json=CALL) as response:
                assert response.status == 200
            assert time.perf_counter() - begun < 5
        assert len(given.requests) == 3 * shadows.MOST
        for _ in range(200):
            if len(trial.requests) == shadows.MOST:
                break
            await asyncio.sleep(0.01)
        assert len(trial.requests) == shadows.MOST
    rows = await logged(database, 4 * shadows.MOST)  # what was under way is given up with the server
    assert sorted({(row.source, row.status) for row in rows}) == [("gateway", 200), ("shadow", 503)]


async def test_a_model_on_this_machine_gets_one_copy_at_a_time(database: Database, trial: UpstreamFake) -> None:
    trial.default = Answer(delay=60)
    async with desk(database, trial) as (gateway, _):
        for _ in range(5):
            async with gateway.client.post(CHAT, json={**CALL, "model": "here"}) as response:
                assert response.status == 200
        await asyncio.sleep(0.2)
        assert len(trial.requests) == shadows.MOST_HERE


async def test_a_copy_that_takes_too_long_is_given_up(
    database: Database, trial: UpstreamFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial.default = Answer(delay=60)
    monkeypatch.setattr(shadows, "SECONDS", 0.2)
    async with desk(database, trial) as (gateway, _):
        async with gateway.client.post(CHAT, json=CALL) as response:
            assert response.status == 200
        _, copy = await logged(database, 2)
    assert (copy.source, copy.status, copy.error) == ("shadow", 499, "client disconnected")


async def test_a_call_that_failed_is_not_copied(database: Database, trial: UpstreamFake) -> None:
    async with desk(database, trial) as (gateway, given):
        given.enqueue(Answer(status=429, text="Slow down"))
        for asked in (CALL, {**CALL, "model": "down"}, {"model": "desk"}):
            async with gateway.client.post(CHAT, data=json.dumps(asked)) as response:
                assert response.status >= 400
        async with gateway.client.post(CHAT, json=CALL) as response:
            assert response.status == 200
        rows = await logged(database, 5)
    assert [row.source for row in rows].count("shadow") == len(trial.requests) == 1


async def test_a_shadow_that_fails_is_nobodys_concern(database: Database, trial: UpstreamFake) -> None:
    trial.default = Answer(status=500, text="Broken")
    async with desk(database, trial) as (gateway, _):
        async with gateway.client.post(CHAT, json=CALL) as response:
            assert response.status == 200
        _, copy = await logged(database, 2)
    assert (copy.source, copy.status, copy.error) == ("shadow", 500, "Broken")
