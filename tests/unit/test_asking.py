"""The gateway as graders and evals ask it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tuneloop.errors import EngineError, TuneloopError, Unavailable
from tuneloop.graders import asking
from tuneloop.graders.asking import Aborted, Gateway
from tuneloop.testing import Answer, UpstreamFake

CHAT = "/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def upstream() -> Iterator[UpstreamFake]:
    with UpstreamFake(Answer(text="yes")) as fake:
        yield fake


@pytest.fixture
def gateway(upstream: UpstreamFake) -> Gateway:
    return Gateway(upstream.base_url, "key", embedder="e", user="run")


def test_a_call(upstream: UpstreamFake, gateway: Gateway) -> None:
    assert gateway(CHAT, BODY)["choices"][0]["message"]["content"] == "yes"
    gateway("/embeddings", {"input": ["a"]})
    chat, embeddings = upstream.requests
    assert (chat.path, chat.json) == (f"/v1{CHAT}", {**BODY, "user": "run"})
    assert chat.headers["authorization"] == "Bearer key"
    assert embeddings.json == {"model": "e", "input": ["a"], "user": "run"}


@pytest.mark.parametrize(
    "passing",
    [
        Answer(status=429, text="slow down", headers={"retry-after": "0"}),
        Answer(status=503, text="starting", headers={"Retry-After": "0.01"}),
        Answer(status=500, raw=b"Internal Server Error"),
        Answer(drop_after=0),
    ],
)
def test_what_passes_is_waited_for(upstream: UpstreamFake, gateway: Gateway, passing: Answer) -> None:
    upstream.enqueue(passing)
    assert gateway(CHAT, BODY)["choices"]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("status", [400, 404, 500])
def test_a_refusal_is_said_at_once(upstream: UpstreamFake, gateway: Gateway, status: int) -> None:
    upstream.enqueue(Answer(status=status, text="no such thing"))
    with pytest.raises(TuneloopError, match="no such thing") as refused:
        gateway(CHAT, BODY)
    assert isinstance(refused.value, EngineError) == (status == 500) and len(upstream.requests) == 1


def test_a_limit_that_stays_is_said_in_the_end(upstream: UpstreamFake, gateway: Gateway) -> None:
    upstream.enqueue(*[Answer(status=429, text="slow down", headers={"retry-after": "0"})] * 9)
    with pytest.raises(TuneloopError, match="slow down"):
        gateway(CHAT, BODY)
    assert len(upstream.requests) == 5


def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_AWAY", 0.0)
    with pytest.raises(Unavailable, match="127.0.0.1:9"):
        Gateway("http://127.0.0.1:9/v1", "key", embedder="e")(CHAT, BODY)


def test_aborting_hangs_up(upstream: UpstreamFake, gateway: Gateway) -> None:
    upstream.enqueue(Answer(delay=60))
    ended: list[BaseException] = []

    def call() -> None:
        try:
            gateway(CHAT, BODY)
        except Aborted as error:
            ended.append(error)

    calling = threading.Thread(target=call)
    calling.start()
    deadline = time.monotonic() + 10
    while not upstream.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    gateway.abort()
    calling.join(5)
    assert ended and not calling.is_alive()
    while not upstream.cancelled:
        assert time.monotonic() < deadline, "the upstream still works"
        time.sleep(0.01)
    with pytest.raises(Aborted):
        gateway(CHAT, BODY)
