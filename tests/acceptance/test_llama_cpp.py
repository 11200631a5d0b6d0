"""A real model in a real llama.cpp child, behind the gateway."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.unit.gateway_server import CHAT, MESSAGES, Running, local_route, logged, running
from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.errors import EngineUnavailable
from tuneloop.settings import Settings
from tuneloop.store.database import Database
from tuneloop.store.log_writer import LogWriter
from tuneloop.types import Model

CALL: dict[str, Any] = {"model": "small", "messages": MESSAGES, "max_tokens": 8, "temperature": 0}


def _model(name: str) -> Model:
    return Model(id=name, created_at=0.0, kind="base", base=name, owned_by="test")


@pytest.fixture
async def engine(tmp_path: Path, smollm2: Path) -> AsyncIterator[LlamaCppEngine]:
    settings = Settings(home=tmp_path, database_url="", engines=1, slots=2, context=2048, threads=1)
    made = LlamaCppEngine(settings, lambda base: smollm2 / "model.gguf")
    yield made
    await made.close()
    assert not _children()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    yield opened
    opened.close()


@pytest.fixture
async def gateway(engine: LlamaCppEngine, database: Database) -> AsyncIterator[Running]:
    writer = LogWriter(database)
    routes = {name: local_route(model, engine) for name, model in (("small", "small"), ("alias", "small"), ("b", "b"))}
    async with running(routes, writer) as started:
        yield started
    writer.close()


def _children() -> list[psutil.Process]:
    ours = psutil.Process().children()
    return [child for child in ours if "tuneloop.engines.llama_cpp_server" in child.cmdline()]


async def _ask(gateway: Running, **fields: Any) -> dict[str, Any]:
    async with gateway.client.post(CHAT, json={**CALL, **fields}) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return dict(answer)


async def test_whole_and_streamed_answers_are_the_same_and_counted(gateway: Running, database: Database) -> None:
    whole = await _ask(gateway, model="alias")
    assert whole["model"] == "alias" and "timings" not in whole
    assert whole["usage"]["completion_tokens"] == 8
    async with gateway.client.post(CHAT, json={**CALL, "model": "alias", "stream": True}) as response:
        lines = [line.removeprefix("data: ") for line in (await response.text()).splitlines() if line]
    assert lines.pop() == "[DONE]"
    chunks = [json.loads(line) for line in lines]
    assert {chunk["model"] for chunk in chunks} == {"alias"}
    assert not any("usage" in chunk or "timings" in chunk for chunk in chunks)
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == whole["choices"][0]["message"]["content"]
    first, second = await logged(database, 2)
    assert (first.served_by, first.output_text, first.completion_tokens) == ("small", text, 8)
    assert (second.output_text, second.completion_tokens) == (text, 8)
    assert second.prompt_tokens == first.prompt_tokens == whole["usage"]["prompt_tokens"]


async def test_too_long_a_prompt(gateway: Running) -> None:
    messages = [{"role": "user", "content": "long " * 3000}]
    for stream in (False, True):
        async with gateway.client.post(CHAT, json={**CALL, "messages": messages, "stream": stream}) as response:
            assert response.status == 400
            error = (await response.json())["error"]
        assert error["code"] == "context_length_exceeded"
        assert error["message"].startswith("This model's maximum context length is 2048 tokens.")


async def test_many_first_calls_start_one_child_and_a_killed_one_is_replaced(gateway: Running) -> None:
    await asyncio.gather(*(_ask(gateway) for _ in range(4)))
    (child,) = _children()
    child.kill()
    await _ask(gateway)
    (replacement,) = _children()
    assert replacement.pid != child.pid


async def test_a_child_killed_in_the_middle_of_calls(gateway: Running, database: Database) -> None:
    await _ask(gateway)
    (child,) = _children()
    calls = [asyncio.create_task(_ask(gateway, max_tokens=60)) for _ in range(2)]
    await asyncio.sleep(0.1)
    child.kill()
    await asyncio.gather(*calls)
    assert [log.status for log in await logged(database, 3)] == [200] * 3


async def test_the_least_used_model_makes_room_but_not_while_it_answers(gateway: Running) -> None:
    slow = asyncio.create_task(_ask(gateway, max_tokens=100, ignore_eos=True))
    await asyncio.sleep(0.5)
    await _ask(gateway, model="b")
    assert slow.done()
    assert (await slow)["usage"]["completion_tokens"] == 100
    assert len(_children()) == 1


async def test_a_client_that_hangs_up_frees_the_slot(gateway: Running, database: Database) -> None:
    await _ask(gateway)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await _ask(gateway, max_tokens=1900, ignore_eos=True)
    _, given_up = await logged(database, 2)
    assert given_up.status == 499
    (child,) = _children()
    await asyncio.sleep(1.5)  # llama.cpp looks once a second whether its client is still there
    before = sum(child.cpu_times()[:2])
    await asyncio.sleep(0.5)
    assert sum(child.cpu_times()[:2]) - before < 0.2


async def test_a_model_tuned_as_a_whole_is_served_without_its_base(tmp_path: Path, smollm2: Path) -> None:
    settings = Settings(home=tmp_path, database_url="", slots=1, context=256, threads=1)
    engine = LlamaCppEngine(settings, lambda base: tmp_path / "no such base")
    endpoint = await engine.endpoint(replace(_model("whole"), kind="tuned", adapter=str(smollm2)))
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{endpoint.base_url}/chat/completions", json=CALL) as response:
            assert (await response.json())["choices"][0]["message"]["content"]
    await engine.close()


async def test_a_file_that_is_no_model_is_reported_with_the_log(tmp_path: Path) -> None:
    broken = tmp_path / "model.gguf"
    broken.write_bytes(b"not a model")
    engine = LlamaCppEngine(Settings(home=tmp_path, database_url=""), lambda base: broken)
    for _ in range(2):  # the second one within the back-off: no new process, the same words
        with pytest.raises(EngineUnavailable, match=r"(?s)could not serve 'x'.*exit code.*model\.gguf"):
            await engine.endpoint(_model("x"))
    await engine.close()


def test_no_orphan_is_left_when_the_parent_is_killed(tmp_path: Path, smollm2: Path) -> None:
    program = f"""
import asyncio, sys
from pathlib import Path
from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.settings import Settings
from tuneloop.types import Model
async def main():
    settings = Settings(home=Path({str(tmp_path)!r}), database_url="", slots=1, context=256)
    engine = LlamaCppEngine(settings, lambda base: Path({str(smollm2 / "model.gguf")!r}))
    await engine.endpoint(Model(id="m", created_at=0.0, kind="base", base="m", owned_by="test"))
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline().strip() == "ready"
        (child,) = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
