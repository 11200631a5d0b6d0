"""The Responses API through the official client, before a server of chat completions whose answers are scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage
from pydantic import BaseModel

from tests.unit.api_server import KEY, Running, running
from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.engines.responses import ResponsesDialect
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.protocols import Endpoint
from tuneloop.responses import Memory
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Model

MODEL = "smollm2-135m-instruct"
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TOOL: Any = {
    "type": "function",
    "name": "weather",
    "description": "How it is outside",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
CREATED = ["response.created", "response.in_progress"]
_FIELDS = ["input", "instructions", "tools", "tool_choice", "text", "include", "reasoning", "metadata", "stream"]
_KEYS = ["type", "role", "content", "text", "name", "format", "schema", "mode", "tools", "call_id", "output", "effort"]


class Bench(NamedTuple):
    """The server, a strict client of it, and the chat completions behind it."""

    server: Running
    client: openai.OpenAI
    chat: UpstreamFake

    def create(self, **asked: Any) -> Any:
        """A response to `asked`."""
        return self.client.responses.create(**{"model": MODEL, "input": "How are you?", **asked})

    def events(self, **asked: Any) -> list[Any]:
        """The events of a streamed one."""
        return list(self.create(stream=True, **asked))

    def post(self, **asked: Any) -> tuple[int, Any]:
        """Status and JSON of a response to a body that the client would not send."""
        answer = self.server.client.post("/v1/responses", json={"model": MODEL, "input": "x", **asked})
        return answer.status_code, answer.json()

    @property
    def asked(self) -> Any:
        """The latest body that the chat completions saw."""
        return self.chat.requests[-1].json


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with UpstreamFake() as chat:

        class Local(LlamaCppEngine):
            """Answers as the fake does."""

            async def endpoint(self, model: Model, path: str = "/chat/completions") -> Endpoint:
                assert path == "/responses"
                dialect = ResponsesDialect(self._memory)
                return Endpoint(base_url=chat.base_url, path="/chat/completions", dialect=dialect)

        def prepare(loop: Loop) -> None:
            loop.local = Local(loop.settings, Path, Memory(loop.store))

        with (
            running(tmp_path_factory.mktemp("home"), prepare=prepare) as server,
            openai.OpenAI(
                base_url=f"{server.url}/v1", api_key=KEY, max_retries=0, _strict_response_validation=True
            ) as client,
        ):
            yield Bench(server, client, chat)


def test_a_text(bench: Bench) -> None:
    asked = {"instructions": "Be brief.", "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9, "user": "ann"}
    response = bench.create(**asked, metadata={"k": "v"}, truncation="auto", text={"verbosity": "low"})
    assert response.output_text == "Hello! How can I help you?"
    assert (response.status, response.object, response.model, response.error) == ("completed", "response", MODEL, None)
    assert response.id.startswith("resp_") and response.created_at <= response.completed_at
    shown = {name: getattr(response, name) for name in asked}
    assert shown == asked and response.metadata == {"k": "v"} and response.truncation == "auto"
    assert response.text.format.type == "text" and response.text.verbosity == "low"
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (5, 6, 11)
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage) and message.status == "completed"
    assert bench.asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How are you?"},
    ]
    sent = {"temperature": 0.5, "top_p": 0.9, "max_completion_tokens": 50, "verbosity": "low"}
    assert sent.items() <= bench.asked.items() and "tools" not in bench.asked


def test_what_is_not_asked_is_at_its_default(bench: Bench) -> None:
    response = bench.create()
    assert (response.temperature, response.top_p, response.parallel_tool_calls, response.tools) == (1.0, 1.0, True, [])
    assert (response.tool_choice, response.truncation, response.metadata) == ("auto", "disabled", {})
    assert bench.asked == {"model": MODEL, "messages": [{"role": "user", "content": "How are you?"}]}


def test_the_events_of_a_text(bench: Bench) -> None:
    events = bench.events()
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert [event.type for event in events] == [
        *CREATED,
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * len(deltas),
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(deltas) == 6 and "".join(event.delta for event in deltas) == "Hello! How can I help you?"
    response = events[-1].response
    assert response.output_text == events[-4].text == events[-3].part.text == "Hello! How can I help you?"
    assert {event.item_id for event in events[3:-2]} == {response.output[0].id}
    assert events[0].response.status == "in_progress" and events[0].response.output == []
    assert events[0].response.id == response.id and response.usage.total_tokens == 9
    assert bench.client.responses.retrieve(response.id) == response


def test_the_events_of_calls(bench: Bench) -> None:
    second = {**CALL, "id": "call_2", "function": {"name": "weather", "arguments": "{}"}}
    bench.chat.enqueue(Answer(text="", tool_calls=[CALL, second]))
    events = bench.events(tools=[TOOL])
    of_one = [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert [event.type for event in events] == [*CREATED, *of_one, *of_one, "response.completed"]
    first, *_ = output = events[-1].response.output
    assert isinstance(first, ResponseFunctionToolCall)
    assert (first.name, first.arguments, first.call_id) == ("weather", '{"city": "Oslo"}', "call_1")
    assert [item.call_id for item in output] == ["call_1", "call_2"] and output[0].id != output[1].id
    assert [event.output_index for event in events[2:-1]] == [0] * 4 + [1] * 4


def test_the_clients_own_reading_of_a_stream(bench: Bench) -> None:
    with bench.client.responses.stream(model=MODEL, input="How are you?") as stream:
        snapshots = [event.snapshot for event in stream if event.type == "response.output_text.delta"]
        assert snapshots[-1] == stream.get_final_response().output_text == "Hello! How can I help you?"


def test_a_stream_has_named_events_and_ends_with_the_response(bench: Bench) -> None:
    body = {"model": MODEL, "input": "x", "stream": True}
    text = bench.server.client.post("/v1/responses", json=body).text
    for event in text.strip().split("\n\n"):
        name, data = event.split("\n")
        assert name == "event: " + json.loads(data.removeprefix("data: "))["type"]
    assert text.endswith("}\n\n") and "[DONE]" not in text


def test_a_call_and_what_came_of_it(bench: Bench) -> None:
    bench.chat.enqueue(Answer(text="", tool_calls=[CALL]))
    question: Any = [{"role": "user", "content": [{"type": "input_text", "text": "Warm?"}]}]
    first = bench.create(input=question, tools=[TOOL], tool_choice={"type": "function", "name": "weather"})
    assert first.tools[0].name == "weather" and first.tool_choice.name == "weather"
    function = {key: TOOL[key] for key in ("name", "description", "parameters", "strict")}
    assert bench.asked["tools"] == [{"type": "function", "function": function}]
    assert bench.asked["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    (call,) = first.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "12 degrees"}
    expected = [
        {"role": "user", "content": "Warm?"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"},
    ]
    bench.create(input=[*question, call.to_dict(), result], tools=[TOOL])
    assert bench.asked["messages"] == expected
    bench.create(input=[result], previous_response_id=first.id)
    assert bench.asked["messages"] == expected


def test_allowed_tools(bench: Bench) -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "weather"}]}
    bench.create(tools=[TOOL, {**TOOL, "name": "other"}], tool_choice=allowed)
    assert [tool["function"]["name"] for tool in bench.asked["tools"]] == ["weather"]
    assert bench.asked["tool_choice"] == "required"


def test_items_of_every_kind_become_messages(bench: Bench) -> None:
    def part(kind: str, text: str) -> dict[str, Any]:
        return {"type": kind, "text": text}

    bench.create(
        input=[
            {"role": "developer", "content": "D"},
            {"role": "system", "content": [part("input_text", "S"), part("input_text", "T")], "type": "message"},
            {"role": "user", "content": "U"},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{**part("output_text", "A"), "annotations": []}],
            },
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "b", "output": [part("input_text", "B")]},
            {"type": "function_call_output", "call_id": "a", "output": "A"},
        ]
    )
    roles = [(message["role"], message["content"]) for message in bench.asked["messages"]]
    texts = [{"type": "text", "text": "S"}, {"type": "text", "text": "T"}]
    expected = [("developer", "D"), ("system", texts), ("user", "U"), ("assistant", "A"), ("tool", "B"), ("tool", "A")]
    assert roles == expected
    assert [call["id"] for call in bench.asked["messages"][3]["tool_calls"]] == ["a", "b"]


def test_a_parsed_answer(bench: Bench) -> None:
    class Mood(BaseModel):
        mood: Literal["good", "bad"]

    bench.chat.enqueue(Answer(text='{"mood": "good"}'))
    response = bench.client.responses.parse(model=MODEL, input="How are you?", text_format=Mood)
    assert response.output_parsed == Mood(mood="good")
    format_ = bench.asked["response_format"]
    assert (format_["type"], format_["json_schema"]["name"], format_["json_schema"]["strict"]) == (
        "json_schema",
        "Mood",
        True,
    )
    assert format_["json_schema"]["schema"]["properties"]["mood"]["enum"] == ["good", "bad"]
    assert response.text is not None and response.text.format is not None and response.text.format.type == "json_schema"
    bench.create(text={"format": {"type": "json_object"}})
    assert bench.asked["response_format"] == {"type": "json_object"}


def test_log_probabilities(bench: Bench) -> None:
    entry = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    message = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": {"content": [entry]}}
    bench.chat.enqueue(Answer(raw=json.dumps({"id": "c", "choices": [choice]}).encode()))
    response = bench.create(include=["message.output_text.logprobs"], top_logprobs=2)
    assert response.output[0].content[0].logprobs[0].token == "Hi"
    assert (bench.asked["logprobs"], bench.asked["top_logprobs"], response.top_logprobs) == (True, 2, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut_off(bench: Bench, stream: bool) -> None:
    message = {"role": "assistant", "content": "Hi"}
    choice = {"index": 0, "finish_reason": "length", "message": message, "delta": message}
    raw = json.dumps({"id": "c", "choices": [choice]}).encode()
    if stream:
        raw = b"data: " + raw + b"\n\ndata: [DONE]\n\n"
    bench.chat.enqueue(Answer(raw=raw, headers={"content-type": "text/event-stream"} if stream else {}))
    if stream:
        last = bench.events()[-1]
        assert last.type == "response.incomplete"
        response = last.response
    else:
        response = bench.create()
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output[0].status == "incomplete" and response.output_text == "Hi"
    assert response.completed_at is None
    log = bench.server.client.get(f"/v1/logs/{response.id}").json()
    assert (log["finish_reason"], log["status"]) == ("length", 200)


def test_an_engine_that_breaks_down(bench: Bench) -> None:
    delta = json.dumps({"choices": [{"index": 0, "delta": {"content": "Hi"}}]}).encode()
    error = b'{"error": {"message": "out of memory", "type": "server_error", "param": null, "code": null}}'
    raw = b"data: " + delta + b"\n\ndata: " + error + b"\n\ndata: [DONE]\n\n"
    bench.chat.enqueue(Answer(raw=raw, headers={"content-type": "text/event-stream"}))
    *_, last = bench.events()
    assert last.type == "response.failed" and last.response.status == "failed"
    assert last.response.error.message == "out of memory" and last.response.output_text == "Hi"
    log = bench.server.client.get(f"/v1/logs/{last.response.id}").json()
    assert (log["status"], log["error"], log["output_text"]) == (502, "out of memory", "Hi")
    with pytest.raises(openai.NotFoundError):
        bench.client.responses.retrieve(last.response.id)


def test_a_conversation_goes_on_from_a_response(bench: Bench) -> None:
    first = bench.create(input="one", instructions="Only once.")
    second = bench.events(input="two", previous_response_id=first.id)[-1].response
    third = bench.create(input=[], previous_response_id=second.id)
    said = "Hello! How can I help you?"
    assert [(message["role"], message["content"]) for message in bench.asked["messages"]] == [
        ("user", "one"),
        ("assistant", said),
        ("user", "two"),
        ("assistant", said),
    ]
    assert third.previous_response_id == second.id
    items = list(bench.client.responses.input_items.list(third.id, order="asc", limit=1))
    assert [item.role for item in items if item.type == "message"] == ["user", "assistant", "user", "assistant"]
    newest = bench.client.responses.input_items.list(third.id, limit=2)
    assert [item.id for item in newest.data] == [items[3].id, items[2].id] and newest.has_more
    bench.client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as caught:
        bench.create(previous_response_id=third.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_input_items_and_references(bench: Bench) -> None:
    response = bench.create(
        input=[
            {"role": "user", "content": "Hi", "id": "msg_mine"},
            {"role": "assistant", "content": "Yes?"},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "A"},
        ]
    )
    items = bench.client.responses.input_items.list(response.id, order="asc").data
    assert [item.type for item in items] == ["message", "message", "function_call", "function_call_output"]
    assert items[0].id == "msg_mine" and len({item.id for item in items}) == 4
    references = [{"type": "item_reference", "id": items[1].id}, {"id": response.output[0].id}]
    bench.create(input=[*references, {"role": "user", "content": "Go on."}])
    contents = [message["content"] for message in bench.asked["messages"]]
    assert contents == ["Yes?", response.output_text, "Go on."]
    bench.client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError) as caught:
        bench.create(input=[*references])
    assert caught.value.param == "input"


def test_what_is_deleted_or_never_stored_is_not_found(bench: Bench) -> None:
    unstored, stored = bench.create(store=False), bench.create()
    assert unstored.model_extra["store"] is False
    bench.client.responses.delete(stored.id)
    for response_id in (unstored.id, stored.id, "resp_nobody"):
        for call in (
            bench.client.responses.retrieve,
            bench.client.responses.delete,
            bench.client.responses.cancel,
            bench.client.responses.input_items.list,
        ):
            with pytest.raises(openai.NotFoundError):
                call(response_id)
        assert bench.post(previous_response_id=response_id)[1]["error"]["code"] == "previous_response_not_found"
    assert bench.server.client.get(f"/v1/logs/{stored.id}").status_code == 200, "the Log stays"
    answer = bench.server.client.delete(f"/v1/responses/{bench.create().id}").json()
    assert answer["deleted"] is True and answer["object"] == "response"


def test_what_has_ended_cannot_be_cancelled_or_streamed(bench: Bench) -> None:
    response = bench.create()
    with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
        bench.client.responses.cancel(response.id)
    with pytest.raises(openai.BadRequestError) as caught:
        bench.client.responses.retrieve(response.id, stream=True)
    assert caught.value.param == "stream"


def test_the_log_of_a_response(bench: Bench) -> None:
    bench.chat.enqueue(Answer(text="", tool_calls=[CALL]))
    response = bench.create(input=[{"role": "user", "content": "Warm?"}], tools=[TOOL], metadata={"k": "v"}, user="ann")
    log = bench.server.client.get(f"/v1/logs/{response.id}").json()
    assert (log["endpoint"], log["model"], log["status"]) == ("/v1/responses", MODEL, 200)
    assert (log["input_text"], log["finish_reason"], log["user"]) == ("Warm?", "tool_calls", "ann")
    assert (log["prompt_tokens"], log["completion_tokens"], log["metadata"]) == (1, 0, {"k": "v"})
    assert json.loads(log["output_text"]) == [CALL] and log["response"]["id"] == response.id
    streamed = bench.events()[-1].response
    log = bench.server.client.get(f"/v1/logs/{streamed.id}").json()
    assert (log["prompt_tokens"], log["completion_tokens"], log["finish_reason"]) == (3, 6, "stop")
    assert log["output_text"] == streamed.output_text and log["stream"] and log["first_token_ms"] > 0


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": []}, "input"),
        ({"input": [3]}, "input[0]"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0]"),
        ({"input": [{}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": ["x"]}]}, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "call_id": "a", "name": "f"}]}, "input[0].arguments"),
        ({"input": [{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]}, "input"),
        ({"input": [{"type": "function_call_output", "call_id": "a", "output": "x"}]}, "input"),
        ({"instructions": 3}, "instructions"),
        ({"previous_response_id": 3}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"truncation": "middle"}, "truncation"),
        ({"include": ["everything"]}, "include[0]"),
        ({"stream": "yes"}, "stream"),
        ({"store": 1}, "store"),
        ({"text": []}, "text"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}}, "text.format.name"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "mode": "auto"}}, "tool_choice.tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"model": None}, "model"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_is_named(bench: Bench, asked: dict[str, Any], param: str, stream: bool) -> None:
    status, answer = bench.post(**{"stream": stream, **asked})
    assert (status, answer["error"]["param"]) == (400, param)
    assert answer["error"]["type"] == "invalid_request_error" and answer["error"]["message"]


def test_what_chat_refuses_is_told_by_the_names_of_responses(bench: Bench) -> None:
    for chats, ours in {
        "messages": "input",
        "messages[0].content": "input",
        "max_completion_tokens": "max_output_tokens",
        "response_format.json_schema.name": "text.format.name",
        "tools[0].function.parameters": "tools[0].parameters",
        "temperature": "temperature",
    }.items():
        error = {"message": "no", "type": "invalid_request_error", "param": chats, "code": "context_length_exceeded"}
        bench.chat.enqueue(Answer(status=400, raw=json.dumps({"error": error}).encode()))
        status, answer = bench.post()
        assert (status, answer["error"]) == (400, {**error, "param": ours})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 30) | st.floats(allow_nan=False) | st.sampled_from(["", "x", "auto"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_no_request_is_too_odd(asked: dict[str, Any]) -> None:
    dialect = ResponsesDialect()
    try:
        sent = json.loads(dialect.request({"model": MODEL, "input": "x", **asked}, b""))
    except InvalidInput as error:
        assert error.param
    else:
        assert sent["messages"]
        answer = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
        assert json.loads(dialect.answer(asked, 200, json.dumps(answer).encode()))["object"] == "response"


def test_unknown_fields_are_passed_over(bench: Bench) -> None:
    assert bench.post(unheard_of=[1], stream_options={"include_obfuscation": False}, prompt_cache_key="x")[0] == 200
