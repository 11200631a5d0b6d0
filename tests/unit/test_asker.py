"""Models as evaluations ask them: streamed, patiently, past the gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tuneloop.engines.asking import Asker
from tuneloop.errors import EngineError
from tuneloop.protocols import Endpoint, Route
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Model

ASKED: list[dict[str, Any]] = [{"role": "user", "content": "hi"}]


class Somewhere:
    """An engine and a router: everything is answered at one URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
        return Endpoint(base_url=self._url, api_key="sk-secret", model="real-name")

    def route(self, name: str, user: str | None = None) -> Route:
        return Route(model=Model(id=name, created_at=0.0, kind="upstream", base=name, owned_by="x"), engine=self)


@pytest.fixture
def upstream() -> Iterator[UpstreamFake]:
    with UpstreamFake(Answer(text="hello you")) as fake:
        yield fake


@pytest.fixture
async def asker(upstream: UpstreamFake) -> AsyncIterator[Asker]:
    async with Asker(Somewhere(upstream.base_url), timeout=0.5, pause=0.01) as made:
        yield made


async def test_an_answer_with_its_times_and_tokens(upstream: UpstreamFake, asker: Asker) -> None:
    answer = await asker.answer("m", ASKED, {"max_tokens": 5})
    assert answer.text == "hello you" and answer.error is None
    assert answer.prompt_tokens and answer.completion_tokens
    assert answer.latency_ms is not None and answer.first_token_ms is not None
    assert 0 < answer.first_token_ms <= answer.latency_ms
    assert answer.began_at is not None and answer.ended_at is not None and answer.began_at < answer.ended_at
    sent = upstream.requests[0]
    assert sent.json == {
        "model": "real-name",
        "messages": ASKED,
        "max_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert sent.headers["authorization"] == "Bearer sk-secret"


@pytest.mark.parametrize(
    "passing",
    [
        Answer(status=429, text="slow down", headers={"retry-after": "0.01"}),
        Answer(status=503, text="starting"),
        Answer(drop_after=0),
    ],
)
async def test_what_passes_is_waited_for(upstream: UpstreamFake, asker: Asker, passing: Answer) -> None:
    upstream.enqueue(passing, passing)
    assert (await asker.answer("m", ASKED, {})).text == "hello you"
    assert len(upstream.requests) == 3


async def test_what_stays_is_said_in_the_end(upstream: UpstreamFake, asker: Asker) -> None:
    upstream.enqueue(*[Answer(status=429, text="slow down")] * 9)
    with pytest.raises(EngineError, match="429.*slow down"):
        await asker.answer("m", ASKED, {})
    assert len(upstream.requests) == 6
    upstream.enqueue(Answer(status=401, text="who are you?"))
    with pytest.raises(EngineError, match="who are you"):
        await asker.answer("m", ASKED, {})


async def test_an_answer_that_does_not_come_in_time(upstream: UpstreamFake, asker: Asker) -> None:
    upstream.enqueue(Answer(delay=20))
    with pytest.raises(TimeoutError, match="no whole answer within 0.5 s"):
        await asker.answer("m", ASKED, {})


@pytest.mark.parametrize(
    ("refused", "then"), [("max_tokens", {"max_completion_tokens": 5}), ("temperature", {"max_tokens": 5})]
)
async def test_a_field_that_a_model_does_not_take_is_left_out_from_then_on(
    upstream: UpstreamFake, asker: Asker, refused: str, then: dict[str, Any]
) -> None:
    error = f'{{"error": {{"message": "unsupported", "param": "{refused}", "type": "x", "code": null}}}}'
    upstream.enqueue(Answer(status=400, raw=error.encode()))
    parameters = {"max_tokens": 5} | ({"temperature": 0} if refused == "temperature" else {})
    for _ in range(2):
        assert (await asker.answer("m", ASKED, dict(parameters))).text == "hello you"
    assert len(upstream.requests) == 3
    for sent in upstream.requests[1:]:
        assert {k: sent.json[k] for k in sent.json if k in ("max_tokens", "temperature", *then)} == then


async def test_nonsense_in_place_of_an_answer(upstream: UpstreamFake, asker: Asker) -> None:
    upstream.enqueue(Answer(raw=b"<html>hello</html>"))
    with pytest.raises(EngineError, match="no message"):
        await asker.answer("m", ASKED, {})


async def test_graders_get_whole_answers(upstream: UpstreamFake, asker: Asker) -> None:
    upstream.enqueue(Answer(status=503, text="starting"))
    answer = await asker.post("/chat/completions", {"model": "judge", "messages": ASKED})
    assert answer["choices"][0]["message"]["content"] == "hello you"
    assert upstream.requests[1].json == {"model": "real-name", "messages": ASKED}
    upstream.enqueue(Answer(raw=b"nonsense"))
    with pytest.raises(EngineError, match="no JSON"):
        await asker.post("/chat/completions", {"model": "judge", "messages": ASKED})
    upstream.enqueue(Answer(delay=20))
    with pytest.raises(EngineError, match="no whole answer within"):
        await asker.post("/chat/completions", {"model": "judge", "messages": ASKED})
