"""Stored chat completions through the official client, and what becomes of whole and streamed answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.unit.api_server import KEY, Running, running
from tuneloop.store.ids import new_id
from tuneloop.types import Log

CHAT = "/v1/chat/completions"
MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "are you?"}], "name": "ann"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]},
    {"role": "tool", "tool_call_id": "a", "content": "fine"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as started:
        yield started


@pytest.fixture
def client(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture
def strict(server: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def _keep(server: Running, response_id: str, response: bytes | None = None, **asked: Any) -> None:
    """A call as the gateway would have logged it."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Fine."}}
    answer = {"id": response_id, "object": "chat.completion", "created": 7, "model": "m", "choices": [choice]}
    request = {"model": "m", "store": True, "messages": MESSAGES, **asked}
    log = Log(
        id=new_id("log_"),
        created_at=8.5,
        source="gateway",
        endpoint=CHAT,
        model=request["model"],
        status=200,
        metadata=request.get("metadata") or {},
        response_id=response_id,
        prompt_tokens=3,
        completion_tokens=2,
        request=json.dumps(request).encode(),
        response=json.dumps(answer).encode() if response is None else response,
    )
    server.loop.store.logs.add([log])


def test_a_stored_completion_has_the_answer_and_what_was_asked(server: Running, strict: openai.OpenAI) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    _keep(server, "whole", metadata={"k": "v"}, temperature=0.5, seed=3, tools=tools, user="ann")
    found = strict.chat.completions.retrieve("whole")
    assert (found.id, found.object, found.created, found.model) == ("whole", "chat.completion", 7, "m")
    assert found.choices[0].message.content == "Fine." and found.metadata == {"k": "v"}
    assert found.usage is not None and found.usage.total_tokens == 5
    extra = found.model_extra or {}
    assert (extra["temperature"], extra["top_p"], extra["seed"], extra["input_user"]) == (0.5, 1.0, 3, "ann")
    assert extra["tools"] == tools and extra["tool_choice"] is None
    assert strict.chat.completions.list(model="m", metadata={"k": "v"}).data[0] == found


def test_a_streamed_one_is_whole(server: Running, strict: openai.OpenAI) -> None:
    def chunk(delta: dict[str, Any], reason: str | None = None, token: str | None = None) -> bytes:
        entry = {"token": token, "logprob": -0.5, "bytes": [1], "top_logprobs": []}
        logprobs = {"content": [entry], "refusal": None} if token else None
        choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": logprobs}
        frame = {"id": "streamed", "object": "chat.completion.chunk", "created": 7, "model": "m"}
        return b"data: " + json.dumps({**frame, "choices": [choice], "usage": None}).encode() + b"\n\n"

    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Fi"}, token="Fi"),
        chunk({"content": "ne."}, token="ne."),
        chunk({"tool_calls": [call]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        chunk({}, "tool_calls"),
    ]
    _keep(server, "streamed", b"".join(pieces) + b"data: [DONE]\n\n", stream=True)
    found = strict.chat.completions.retrieve("streamed")
    (choice,) = found.choices
    assert (choice.message.content, choice.finish_reason, choice.message.role) == ("Fine.", "tool_calls", "assistant")
    assert choice.message.tool_calls is not None and choice.message.tool_calls[0].id == "a"
    assert choice.logprobs is not None and choice.logprobs.content is not None
    assert "".join(entry.token for entry in choice.logprobs.content) == "Fine."
    assert found.object == "chat.completion"
    assert found.usage is not None and found.usage.prompt_tokens == 3, "the Log knows what the stream did not say"


def test_messages_have_their_roles_and_ids_of_their_own(server: Running, client: openai.OpenAI) -> None:
    _keep(server, "talk")
    found = client.chat.completions.messages.list("talk").data
    assert [str(message.role) for message in found] == ["developer", "user", "assistant", "tool"]
    assert len({message.id for message in found}) == 4
    assert [message.content for message in found] == ["Be brief.", "How\nare you?", None, "fine"]
    assert [part.to_dict() for part in found[1].content_parts or ()] == MESSAGES[1]["content"]
    assert found[0].content_parts is None and found[2].tool_calls is not None
    assert (found[1].model_extra or {})["name"] == "ann"
    backwards = client.chat.completions.messages.list("talk", order="desc", limit=3)
    assert [message.id for message in backwards] == [message.id for message in reversed(found)]
    rest = client.chat.completions.messages.list("talk", after=found[2].id)
    assert [message.id for message in rest.data] == [found[3].id]


def test_paging_through_the_official_client(server: Running, strict: openai.OpenAI) -> None:
    for number in range(5):
        _keep(server, f"page-{number}", model="paged", metadata={"n": str(number % 2), "all": "yes"})
    ids = [found.id for found in strict.chat.completions.list(model="paged", limit=2)]
    assert ids == [f"page-{number}" for number in range(5)]
    ids = [found.id for found in strict.chat.completions.list(model="paged", limit=2, order="desc")]
    assert ids == [f"page-{number}" for number in reversed(range(5))]
    ids = [found.id for found in strict.chat.completions.list(metadata={"n": "1", "all": "yes"}, limit=1)]
    assert ids == ["page-1", "page-3"]
    assert not strict.chat.completions.list(metadata={"n": "1", "all": "no"}).data


def test_metadata_can_be_changed_and_the_whole_deleted(server: Running, strict: openai.OpenAI) -> None:
    _keep(server, "mine", metadata={"old": "1"})
    changed = strict.chat.completions.update("mine", metadata={"new": "2"})
    assert changed.metadata == {"new": "2"} == strict.chat.completions.retrieve("mine").metadata
    assert [found.id for found in strict.chat.completions.list(metadata={"new": "2"})] == ["mine"]
    assert not strict.chat.completions.list(metadata={"old": "1"}).data
    assert strict.chat.completions.update("mine", metadata=None).metadata == {}
    deleted = strict.chat.completions.delete("mine")
    assert (deleted.id, deleted.deleted, deleted.object) == ("mine", True, "chat.completion.deleted")
    for call in (strict.chat.completions.retrieve, strict.chat.completions.delete):
        with pytest.raises(openai.NotFoundError):
            call("mine")
    with pytest.raises(openai.NotFoundError):
        strict.chat.completions.messages.list("mine")
    with pytest.raises(openai.NotFoundError):
        strict.chat.completions.update("mine", metadata={})
    assert server.client.get("/v1/logs/mine").status_code == 200, "the Log stays"


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("GET", "?order=up", None, "order"),
        ("GET", "?limit=0", None, "limit"),
        ("GET", "?limit=many", None, "limit"),
        ("GET", "/talk/messages?order=", None, "order"),
        ("POST", "/talk", {}, "metadata"),
        ("POST", "/talk", {"metadata": "text"}, "metadata"),
        ("POST", "/talk", {"metadata": {"k": 1}}, "metadata"),
        ("POST", "/talk", {"metadata": {"k": "v" * 513}}, "metadata"),
        ("POST", "/talk", {"metadata": {str(n): "v" for n in range(17)}}, "metadata"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(server: Running, method: str, path: str, body: Any, param: str) -> None:
    _keep(server, "talk")
    answer = server.client.request(method, CHAT + path, json=body)
    assert (answer.status_code, _error(answer)["param"]) == (400, param)


@pytest.mark.parametrize("path", ["/nobody", "/nobody/messages", "?after=nobody", "/talk/messages?after=nobody"])
def test_what_is_not_there_is_said(server: Running, path: str) -> None:
    _keep(server, "talk")
    answer = server.client.get(CHAT + path)
    assert answer.status_code == 404 and _error(answer)["type"] == "invalid_request_error"


def _error(answer: httpx2.Response) -> dict[str, Any]:
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return dict(error)


def test_a_call_through_the_gateway_is_stored(server: Running) -> None:
    body = {"model": "fake", "messages": MESSAGES, "store": True, "metadata": {"through": "gateway"}}
    assert server.client.post(CHAT, json=body).status_code == 200
    (found,) = server.client.get(f"{CHAT}?metadata[through]=gateway").json()["data"]
    assert (found["id"], found["choices"][0]["message"]["content"]) == ("chatcmpl-fake", "Hello!")


def test_at_first_there_is_none(tmp_path: Path) -> None:
    with running(tmp_path) as started:
        answer = started.client.get(CHAT).json()
    assert answer == {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
