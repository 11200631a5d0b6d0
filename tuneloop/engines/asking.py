"""Asks models one question at a time, past the gateway: for evaluations, whose calls are no Logs.

Answers are streamed, so that the time to the first token is known. What passes (too many requests, a server that
stumbles) is waited for, and the wait is no part of an answer's latency.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import orjson

from tuneloop import calls
from tuneloop.calls import text_of
from tuneloop.errors import EngineError
from tuneloop.evaluations import Answer
from tuneloop.graders import Ask
from tuneloop.protocols import Endpoint, Router
from tuneloop.proxies import proxy_for
from tuneloop.types import Json, Message

T = TypeVar("T")

#: statuses that a later try may mend, the tries, and the longest seconds between two of them
_PASSING, _TRIES, _LONGEST_PAUSE = frozenset({408, 409, 429, 500, 502, 503, 504, 529}), 6, 60.0
#: fields that some models do not take, and the name that they have there
_REFUSED: Mapping[str, str | None] = {"max_tokens": "max_completion_tokens", "temperature": None, "seed": None}


class _Refused(Exception):
    """The model's server answered with an error."""

    def __init__(self, status: int, content: bytes, retry_after: str | None) -> None:
        super().__init__(f"{status} {content[:500].decode('utf-8', 'replace')}")
        self.status, self.retry_after = status, retry_after
        self.error = (calls.parse(content) or {}).get("error") if content.startswith(b"{") else None

    @property
    def field(self) -> str | None:
        """The field of ours that the model does not take, if that is what is wrong."""
        param = self.error.get("param") if isinstance(self.error, dict) else None
        return param if self.status == 400 and param in _REFUSED else None


@dataclass(slots=True)
class _Heard:
    """What has come of an answer."""

    stream: bytes = b""
    first_at: float | None = None


class Asker:
    """Answers for `evaluations.run`. An async context manager; belongs to one event loop."""

    def __init__(self, router: Router, *, timeout: float = 120.0, pause: float = 0.5) -> None:
        """`timeout` is the seconds that an answer may take; `pause` those before the second try, which then double."""
        self._router = router
        self._timeout = timeout
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None
        #: fields that a model has refused
        self._unwanted: dict[str, set[str]] = {}

    async def __aenter__(self) -> Asker:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def answer(self, model: str, messages: list[Message], parameters: dict[str, Json]) -> Answer:
        """One whole answer, with its latency from the request's first byte to the answer's last.

        Raises TimeoutError where none came in time, EngineError for what is refused in the end.
        """
        body = {"messages": messages, **parameters, "stream": True, "stream_options": {"include_usage": True}}
        unwanted = self._unwanted.setdefault(model, set())
        return await self._patiently(lambda: self._try(model, _without(body, unwanted)), unwanted)

    async def post(self, path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        """The whole answer to a call of any path, for graders. Raises EngineError."""
        unwanted = self._unwanted.setdefault(str(body["model"]), set())
        try:
            content = await self._patiently(lambda: self._post(path, _without(body, unwanted)), unwanted)
        except TimeoutError as error:
            raise EngineError(str(error)) from None
        answer = calls.parse(content)
        if not isinstance(answer, dict):
            raise EngineError(f"no JSON: {content[:300].decode('utf-8', 'replace')}")
        return answer

    def for_graders(self, running: asyncio.AbstractEventLoop, embedder: str) -> Ask:
        """`post` as graders call it, from any thread but that of the `running` loop, which it belongs to. `embedder` is
        the model of embeddings where a body names none."""

        def ask(path: str, body: Mapping[str, Json]) -> Mapping[str, Any]:
            whole = {"model": embedder, **body} if path == "/embeddings" else body
            return asyncio.run_coroutine_threadsafe(self.post(path, whole), running).result()

        return ask

    async def _patiently(self, attempt: Callable[[], Awaitable[T]], unwanted: set[str]) -> T:
        """Again and again, while what is wrong may pass; fields that the model refuses are dropped."""
        tries = 0
        while True:
            try:
                return await attempt()
            except _Refused as refused:
                if (field := refused.field) and field not in unwanted:
                    unwanted.add(field)
                    continue
                tries += 1
                if refused.status not in _PASSING or tries == _TRIES:
                    raise EngineError(str(refused)) from None
                wait = self._seconds(refused.retry_after, tries)
            except aiohttp.ClientError as error:
                tries += 1
                if tries == _TRIES:
                    raise EngineError(f"no answer: {error or type(error).__name__}") from error
                wait = self._seconds(None, tries)
            await asyncio.sleep(wait)

    async def _try(self, model: str, body: dict[str, Json]) -> Answer:
        route = self._router.route(model)
        endpoint = await route.engine.endpoint(route.model)
        asked = {"model": endpoint.model or route.model.id, **body}
        heard = _Heard()
        with endpoint.lease(False):
            began, clock = time.time(), time.perf_counter()
            async with self._in_time():
                await self._hear(endpoint, asked, heard)
            latency = time.perf_counter() - clock
        answer = calls.assemble(heard.stream) if heard.stream.lstrip()[:5] == b"data:" else calls.parse(heard.stream)
        return _read(answer, began, latency, None if heard.first_at is None else heard.first_at - clock)

    async def _post(self, path: str, body: dict[str, Json]) -> bytes:
        route = self._router.route(str(body["model"]))
        endpoint = await route.engine.endpoint(route.model, path)
        asked = {**body, "model": endpoint.model or route.model.id}
        dialect, raw = endpoint.dialect, orjson.dumps(asked)
        with endpoint.lease(False):
            async with self._in_time():
                url = f"{endpoint.base_url}{endpoint.path or path}"
                lines = self._lines(endpoint, url, dialect.request(asked, raw) if dialect else raw)
                content = b"".join([line async for line in lines])
        return dialect.answer(asked, 200, content) if dialect else content

    @asynccontextmanager
    async def _in_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise TimeoutError(f"no whole answer within {self._timeout:g} s") from None

    async def _hear(self, endpoint: Endpoint, asked: dict[str, Json], heard: _Heard) -> None:
        raw = orjson.dumps(asked)
        dialect = endpoint.dialect
        url = f"{endpoint.base_url}{endpoint.path or '/chat/completions'}"
        async for line in self._lines(endpoint, url, dialect.request(asked, raw) if dialect else raw):
            if dialect and line.startswith(b"data:"):
                data = dialect.event(asked, line[5:].strip())
                line = b"" if data is None else b"data: " + data + b"\n\n"
            heard.stream += line
            if heard.first_at is None and _says_something(line):
                heard.first_at = time.perf_counter()

    async def _lines(self, endpoint: Endpoint, url: str, content: bytes) -> AsyncIterator[bytes]:
        assert self._session is not None, "use 'async with'"
        headers = {"Content-Type": "application/json"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        async with self._session.post(url, data=content, headers=headers, proxy=proxy_for(url)) as response:
            if response.status != 200:
                raise _Refused(response.status, await response.read(), response.headers.get("Retry-After"))
            held = b""
            async for chunk in response.content.iter_any():
                *lines, held = (held + chunk).split(b"\n")
                for line in lines:
                    yield line + b"\n"
            yield held

    def _seconds(self, retry_after: str | None, tries: int) -> float:
        try:
            wanted = float(retry_after or "")
        except ValueError:
            wanted = self._pause * 2 ** (tries - 1)
        return min(max(wanted, 0.0), _LONGEST_PAUSE)


def _without(body: Mapping[str, Json], unwanted: set[str]) -> dict[str, Json]:
    """The body as a model takes it that has refused some fields."""
    named = {_REFUSED[name] if name in unwanted else name: value for name, value in body.items()}
    return {name: value for name, value in named.items() if name is not None}


def _says_something(line: bytes) -> bool:
    """Whether a line of the stream has a piece of the answer."""
    event = calls.parse(line[5:]) if line.startswith(b"data:") else None
    choices = event.get("choices") if isinstance(event, dict) else None
    delta = choices[0].get("delta") if choices and isinstance(choices[0], dict) else None
    return isinstance(delta, dict) and any(delta.get(key) for key in ("content", "tool_calls", "refusal"))


def _read(answer: Any, began: float, latency: float, first: float | None) -> Answer:
    """Raises EngineError for what is no chat completion."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    message = choices[0].get("message") if choices and isinstance(choices[0], dict) else None
    if not isinstance(message, dict):
        said = calls.measure(answer).error or orjson.dumps(answer, default=str)[:300].decode("utf-8", "replace")
        raise EngineError(f"the answer has no message: {said}")
    measured = calls.measure(answer)
    return Answer(
        text=text_of(message),
        message=message if message.get("tool_calls") else None,
        latency_ms=latency * 1000,
        first_token_ms=None if first is None else first * 1000,
        prompt_tokens=measured.prompt_tokens,
        completion_tokens=measured.completion_tokens,
        began_at=began,
        ended_at=began + latency,
    )
