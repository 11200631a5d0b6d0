"""A llama.cpp that says what it is told to, for tests of the server before it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from tuneloop.chat import Chat
from tuneloop.engines.local.generation import Llama
from tuneloop.engines.local.model import Model
from tuneloop.engines.local.server import application, runner


class Said(NamedTuple):
    """One token: its text, and the answer that it belongs to."""

    text: str
    choice: int = 0
    #: its id, where log probabilities are told
    token: int = 0
    #: tokens that it completes a character with, itself included
    tokens: int = 1


@dataclass
class LlamaFake:
    """Answers each request with the next of `answers` (the last again and again) and remembers what it was asked."""

    answers: list[list[Said]] = field(default_factory=list)
    #: ids and bytes of the likeliest tokens, told to whom asks for no stream
    likeliest: list[tuple[int, bytes]] = field(default_factory=list)
    stop: str = "eos"
    #: seconds between tokens
    pause: float = 0.0
    status: int = 200
    #: ends every answer in the middle, after that many tokens
    breaks_after: int | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    hung_up: int = 0

    async def completion(self, request: web.Request) -> web.StreamResponse:
        """llama.cpp's route."""
        asked = await request.json()
        self.asked.append(asked)
        if self.status != 200:
            return web.json_response({"error": {"code": self.status, "message": "no room"}}, status=self.status)
        if not asked.get("stream"):
            tops = [{"id": token, "token": "", "bytes": [*data], "logprob": -1} for token, data in self.likeliest]
            return web.json_response({"completion_probabilities": [{"top_logprobs": tops}]})
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await self._say(response, asked, said)
        except (ConnectionResetError, asyncio.CancelledError):
            self.hung_up += 1
            raise
        return response

    async def _say(self, response: web.StreamResponse, asked: Mapping[str, Any], said: list[Said]) -> None:
        counts: dict[int, int] = {}
        for number, one in enumerate(said):
            if number == self.breaks_after:
                await response.write(b'data: {"error": {"message": "out of memory"}}\n\n')
                return
            counts[one.choice] = counts.get(one.choice, 0) + one.tokens
            event: dict[str, Any] = {"index": one.choice, "content": one.text, "stop": False}
            event |= {"tokens_predicted": counts[one.choice], "tokens_evaluated": len(asked["prompt"][0])}
            if "n_probs" in asked:
                top = {"id": one.token, "token": one.text, "bytes": [*one.text.encode()], "logprob": -0.5}
                tops = [{**top, "logprob": -2.5}, top, {"id": 1, "token": "", "bytes": [], "logprob": -1e38}]
                event["completion_probabilities"] = [{**top, "top_logprobs": tops}]
            await response.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            await asyncio.sleep(self.pause)
        for index in range(asked["n_cmpl"]):
            last = {"index": index, "stop": True, "stop_type": self.stop, "timings": {"cache_n": 2}}
            last["tokens_predicted"] = counts.get(index, 0) + (self.stop == "eos")
            await response.write(b"data: " + json.dumps(last).encode() + b"\n\n")


class Served(NamedTuple):
    """A fake that is served, and a client of the server before it."""

    llama: LlamaFake
    client: aiohttp.ClientSession
    url: str


@asynccontextmanager
async def serving(chat: Chat, *, slots: int = 2, context: int = 4096) -> AsyncIterator[Served]:
    """Serve a fake that reads chats in this way."""
    fake = LlamaFake()
    behind = web.Application()
    behind.router.add_post("/completion", fake.completion)
    behind_runner = web.AppRunner(behind, handler_cancellation=True)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        llama = Llama(session=session, url=await _start(behind_runner), slots=slots, context=context)
        front = runner(application(Model(chat=chat, llama=llama, vocabulary=256, fingerprint="fp_test")))
        url = await _start(front)
        async with aiohttp.ClientSession(url) as client:
            yield Served(fake, client, url)
        await front.cleanup()
    await behind_runner.cleanup()


async def _start(started: web.AppRunner) -> str:
    await started.setup()
    await web.TCPSite(started, "127.0.0.1", 0).start()
    host, port = started.addresses[0][:2]
    return f"http://{host}:{port}"
