"""Fakes for the tests of whoever builds on Tuneloop: an OpenAI-compatible server whose answers are scripted; a judge, a
cache and people for graders."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import orjson
import uvicorn

from tuneloop.graders.human import Question
from tuneloop.types import Json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the fake says to one call."""

    #: the answer's text; a stream sends it in pieces, one word each
    text: str = "Hello! How can I help you?"
    #: instead of text: OpenAI's `tool_calls`
    tool_calls: Sequence[Json] = ()
    #: a status of 400 or more answers with an error whose message is `text`
    status: int = 200
    #: instead of all that: these very bytes
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: seconds before the answer begins, and between the pieces of a stream
    delay: float = 0.0
    pause: float = 0.0
    #: break the connection: after this many pieces of a stream, or after the head of a whole answer
    drop_after: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A request as the fake got it; header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """The body as JSON."""
        return orjson.loads(self.body)


class UpstreamFake:
    """An OpenAI-compatible upstream on a free port of 127.0.0.1, for as long as its `with` block lasts.

    It gives the answers that were `enqueue`d, one a call, and then the default one (or what the default makes of the
    request's JSON); `requests` has what it was asked,
    and `cancelled` counts calls whose client hung up.

        with UpstreamFake() as upstream:
            upstream.enqueue(Answer(text="Bonjour"), Answer(status=429, text="Slow down"))
            client = OpenAI(base_url=upstream.base_url, api_key="any")
    """

    def __init__(self, default: Answer | Callable[[Json], Answer] | None = None) -> None:
        self.default = default or Answer()
        self.requests: list[Received] = []
        self.cancelled = 0
        self._answers: deque[Answer] = deque()
        self._server = uvicorn.Server(
            uvicorn.Config(
                self, host="127.0.0.1", port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1
            )
        )
        self._thread = threading.Thread(target=self._server.run, name="upstream-fake", daemon=True)

    def enqueue(self, *answers: Answer) -> None:
        """Answers for the next calls, in order."""
        self._answers.extend(answers)

    @property
    def base_url(self) -> str:
        """Where it listens, for a client's `base_url`."""
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/v1"

    def __enter__(self) -> UpstreamFake:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the fake upstream did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read(receive)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.requests.append(Received(path=scope["path"], headers=headers, body=body))
        asked = orjson.loads(body or b"{}")
        default = self.default if isinstance(self.default, Answer) else self.default(asked)
        answer = self._answers.popleft() if self._answers else default
        speaking = asyncio.create_task(_speak(answer, asked, send))
        hanging_up = asyncio.create_task(_hung_up(receive))
        await asyncio.wait({speaking, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
        if speaking.done():
            hanging_up.cancel()
            speaking.result()
        else:
            self.cancelled += 1
            speaking.cancel()


class JudgeFake:
    """What graders ask models by: says these things, one a call, the last one for ever after; what is an error is
    raised. `bodies` has what it was asked."""

    def __init__(self, *said: str | Exception) -> None:
        self.said = said
        self.bodies: list[Mapping[str, Any]] = []

    def __call__(self, path: str, body: Mapping[str, Json]) -> Mapping[str, Any]:
        said = self.said[min(len(self.bodies), len(self.said) - 1)]
        self.bodies.append(body)
        if isinstance(said, Exception):
            raise said
        choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return {"model": body.get("model"), "choices": [choice], "usage": usage}


class CacheFake:
    """Keeps results of graders in memory; `results` has them by key."""

    def __init__(self) -> None:
        self.results: dict[str, Mapping[str, Json]] = {}

    def get(self, key: str) -> Mapping[str, Json] | None:
        """What was put under a key, or None."""
        return self.results.get(key)

    def put(self, key: str, result: Mapping[str, Json]) -> None:
        """Keep a result."""
        self.results.setdefault(key, result)


class PeopleFake:
    """People who say the same of everything, or nothing; `questions` has what they were asked."""

    def __init__(self, says: float | None = None) -> None:
        self.says = says
        self.questions: list[Question] = []

    def __call__(self, question: Question) -> float | None:
        self.questions.append(question)
        return self.says


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Dropped(Exception):
    """Raised to make the server break the connection."""


async def _speak(answer: Answer, asked: Mapping[str, Json], send: Send) -> None:
    await asyncio.sleep(answer.delay)
    if answer.raw is None and answer.status < 400 and asked.get("stream") is True:
        await _speak_in_pieces(answer, asked, send)
    else:
        await _begin(answer, "application/json", send)
        if answer.drop_after is not None:
            raise _Dropped
        await send({"type": "http.response.body", "body": _whole(answer, asked)})


async def _speak_in_pieces(answer: Answer, asked: Mapping[str, Json], send: Send) -> None:
    await _begin(answer, "text/event-stream", send)
    for number, piece in enumerate(_pieces(answer, asked)):
        if number == answer.drop_after:
            raise _Dropped
        await send({"type": "http.response.body", "body": b"data: " + piece + b"\n\n", "more_body": True})
        await asyncio.sleep(answer.pause)
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


async def _begin(answer: Answer, content_type: str, send: Send) -> None:
    headers = {"content-type": content_type, **answer.headers}
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})


def _whole(answer: Answer, asked: Mapping[str, Json]) -> bytes:
    if answer.raw is not None:
        return answer.raw
    if answer.status >= 400:
        kind = "invalid_request_error" if answer.status < 500 else "server_error"
        error: dict[str, Json] = {"message": answer.text, "type": kind, "param": None, "code": None}
        return orjson.dumps({"error": error})
    message: dict[str, Json] = {"role": "assistant", "content": None if answer.tool_calls else answer.text}
    if answer.tool_calls:
        message["tool_calls"] = list(answer.tool_calls)
    choice = {"index": 0, "message": message, "finish_reason": _finish_reason(answer)}
    answered = {**_frame("chat.completion", asked), "choices": [choice], "usage": _usage(answer, asked)}
    return orjson.dumps(answered)


def _pieces(answer: Answer, asked: Mapping[str, Json]) -> list[bytes]:
    frame = _frame("chat.completion.chunk", asked)
    deltas: list[dict[str, Json]] = [{"role": "assistant", "content": ""}]
    if answer.tool_calls:
        deltas += [{"tool_calls": [{**call, "index": index}]} for index, call in enumerate(answer.tool_calls)]
    else:
        words = answer.text.split(" ")
        deltas += [{"content": word if i == 0 else f" {word}"} for i, word in enumerate(words)]
    choices: list[dict[str, Json]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _finish_reason(answer)})
    chunks = [{**frame, "choices": [choice]} for choice in choices]
    if (asked.get("stream_options") or {}).get("include_usage"):
        chunks.append({**frame, "choices": [], "usage": _usage(answer, asked)})
    return [orjson.dumps(chunk) for chunk in chunks]


def _frame(kind: str, asked: Mapping[str, Json]) -> dict[str, Json]:
    return {"id": "chatcmpl-fake", "object": kind, "created": 1700000000, "model": asked.get("model", "fake")}


def _finish_reason(answer: Answer) -> str:
    return "tool_calls" if answer.tool_calls else "stop"


def _usage(answer: Answer, asked: Mapping[str, Json]) -> dict[str, int]:
    """One token a word, so that tests can count."""
    prompt = sum(len(str(message.get("content") or "").split()) for message in asked.get("messages", ()))
    completion = len(answer.text.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
