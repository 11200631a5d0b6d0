"""An answer as it comes: a call through this server's own gateway, which logs it as any other."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import aiohttp
import orjson

from tuneloop import calls, comparing
from tuneloop.errors import TuneloopError, Unavailable
from tuneloop.evaluations import Answer
from tuneloop.loop import Loop
from tuneloop.types import Json

#: seconds without a byte after which nothing more is expected
_SILENCE = 600.0
#: the least seconds between two looks at an answer that grows
_EVERY = 0.04


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What has come of an answer. Durations in milliseconds, cost in dollars; what is unknown is None."""

    text: str = ""
    done: bool = False
    error: str | None = None
    first_token_ms: float | None = None
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    #: why it ended: "stop", "length", "tool_calls"
    finish_reason: str | None = None
    log_id: str | None = None
    model: str = ""


def write(heard: Heard) -> dict[str, Json]:
    """An answer as JSON."""
    return asdict(heard)


def read(content: Mapping[str, Any] | None) -> Heard | None:
    """An answer from what `write` made of it; None for what is none."""
    try:
        return None if content is None else Heard(**content)
    except TypeError:
        return None


async def listen(loop: Loop, body: Mapping[str, Json]) -> AsyncIterator[Heard]:
    """The answer to a streamed chat request, every time that more of it is there, at last whole. What goes wrong is its
    `error`. Leaving early stops the engine's work. Raises Unavailable in a process that is no server."""
    if loop.url is None:
        raise Unavailable("models are asked by a running server: start one with `tuneloop serve`")
    growing = _Growing(str(body["model"]))
    headers = {"Authorization": f"Bearer {loop.own_key}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE)
    url = f"{loop.url}/chat/completions"
    try:
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            async with session.post(url, data=orjson.dumps(body), headers=headers) as response:
                growing.log_id = response.headers.get("x-tuneloop-log-id")
                if response.status != 200:
                    yield growing.failed(calls.error_text(await response.read()))
                    return
                shown = 0.0
                async for line in response.content:
                    if growing.add(line) and time.perf_counter() - shown > _EVERY:
                        shown = time.perf_counter()
                        yield growing.so_far()
    except (aiohttp.ClientError, OSError) as error:
        yield growing.failed(str(error) or type(error).__name__)
        return
    yield await loop.in_thread(_priced, loop, growing.whole())


class _Growing:
    """Puts an answer together."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._began = time.perf_counter()
        self._first: float | None = None
        self._text = ""
        self._events: list[Mapping[str, Json]] = []
        self._error: str | None = None
        self.log_id: str | None = None

    def add(self, line: bytes) -> bool:
        """Take a line of the stream; returns whether there is more to see."""
        event = calls.parse(line[5:]) if line.startswith(b"data:") else None
        if not isinstance(event, dict):
            return False
        self._events.append(event)
        self._error = calls.measure(event).error or self._error
        choices = event.get("choices")
        delta = choices[0].get("delta") if isinstance(choices, list) and choices else None
        if not isinstance(delta, dict) or not any(delta.get(key) for key in ("content", "tool_calls", "refusal")):
            return False
        if self._first is None:
            self._first = self._since()
        self._text += str(delta.get("content") or delta.get("refusal") or "")
        return True

    def so_far(self) -> Heard:
        """What there is now."""
        return Heard(
            text=self._text, first_token_ms=self._first, latency_ms=self._since(), log_id=self.log_id, model=self._model
        )

    def failed(self, why: str) -> Heard:
        """The end, where there is nothing more to come."""
        return replace(self.so_far(), error=why, done=True)

    def whole(self) -> Heard:
        """The whole answer."""
        answer = calls.add_up(self._events)
        measured = calls.measure(answer)
        choices = answer.get("choices") or [{}]
        message = choices[0].get("message") or {}
        return replace(
            self.so_far(),
            text=calls.text_of(message) or measured.output_text,
            done=True,
            error=self._error,
            prompt_tokens=measured.prompt_tokens,
            completion_tokens=measured.completion_tokens,
            finish_reason=measured.finish_reason,
        )

    def _since(self) -> float:
        return (time.perf_counter() - self._began) * 1000


def _priced(loop: Loop, heard: Heard) -> Heard:
    answer = Answer(prompt_tokens=heard.prompt_tokens, completion_tokens=heard.completion_tokens)
    try:
        cost = comparing.price(loop, loop.routes.route(heard.model).model.id, answer, (heard.latency_ms or 0) / 1000)
    except TuneloopError:
        return heard  # the model went away meanwhile
    return replace(heard, cost=cost)


async def start(loop: Loop, model: str) -> None:
    """Have the engine of a model started, so that this is no part of what its answer takes. Raises ModelNotFound and
    EngineUnavailable."""
    route = loop.routes.route(model)
    await route.engine.endpoint(route.model)


def takes_turns(loop: Loop, models: list[str]) -> bool:
    """Whether these models would slow each other down: more than one runs on this machine."""
    catalog = loop.routes.catalog()
    targets = [catalog.aliases.get(name, name) for name in models]
    return sum(name in catalog.base or name in catalog.tuned for name in targets) > 1


def stopped(heard: Heard) -> Heard:
    """An answer that is not to go on."""
    return replace(heard, done=True, finish_reason="stopped")
