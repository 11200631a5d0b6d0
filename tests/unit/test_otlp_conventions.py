"""Spans as instrumentations write them, and the Logs that they become."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.importers.otlp.logs import merged, to_log
from tuneloop.importers.otlp.spans import Moment, Span
from tuneloop.importers.otlp.values import nested, parsed
from tuneloop.types import Json, Log

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How are you?"}]
SAID = {"role": "assistant", "content": "Fine."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "12 C"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "weather", "description": "It.", "parameters": SCHEMA}}


def dumped(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"))


def cost(_provider: str | None, model: str, prompt: int, completion: int) -> float | None:
    return prompt + 10.0 * completion if model == "gpt" else None


def span(attributes: Mapping[str, Json], events: Sequence[Moment] = (), **fields: Any) -> Span:
    given: dict[str, Any] = {"trace_id": "a" * 32, "span_id": "b" * 16, "name": "chat", "start": 100.0, "end": 101.5}
    return Span(**{**given, **fields}, attributes=attributes, events=events)


def log(attributes: Mapping[str, Json], events: Sequence[Moment] = (), **fields: Any) -> Log:
    return to_log(span(attributes, events, **fields), cost)


def request(made: Log) -> dict[str, Any]:
    return dict(json.loads(made.request))


def choices(made: Log) -> Any:
    return json.loads(made.response).get("choices")


def answers(made: Log) -> list[Json]:
    return [choice["message"] for choice in choices(made) or ()]


def event(name: str, **attributes: Json) -> Moment:
    return Moment(name, 100.25, attributes)


GENAI = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt",
    "gen_ai.response.model": "gpt-2026",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 5,
    "gen_ai.usage.output_tokens": 2,
    "gen_ai.response.finish_reasons": ["stop"],
}


def parts(role: str, *listed: Json, **fields: Json) -> dict[str, Json]:
    return {"role": role, "parts": list(listed), **fields}


def said(words: str) -> dict[str, Json]:
    return {"type": "text", "content": words}


def test_the_current_genai_conventions() -> None:
    asked = [parts("system", said("Be brief.")), parts("user", said("How are you?"))]
    answer = [parts("assistant", {"type": "reasoning", "content": "Hm."}, said("Fine."), finish_reason="stop")]
    made = log({**GENAI, "gen_ai.input.messages": dumped(asked), "gen_ai.output.messages": dumped(answer)})
    assert request(made) == {"model": "gpt", "messages": ASKED}
    assert json.loads(made.response) == {
        "object": "chat.completion",
        "id": "chatcmpl-1",
        "created": 100,
        "model": "gpt-2026",
        "choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    assert (made.id, made.source, made.endpoint) == (f"log_{'a' * 32}{'b' * 16}", "trace", "/v1/chat/completions")
    assert (made.model, made.served_by, made.response_id) == ("gpt", "gpt-2026", "chatcmpl-1")
    assert (made.created_at, made.latency_ms, made.cost) == (100.0, 1500.0, 25.0)
    assert (made.input_text, made.output_text, made.finish_reason) == ("How are you?", "Fine.", "stop")
    assert (made.trace_id, made.span_id, made.parent_id) == ("a" * 32, "b" * 16, None)
    assert (made.span_name, made.span_kind, made.status, made.error) == ("chat", "llm", 200, None)
    assert made.attributes is not None and made.attributes["gen_ai.request.model"] == "gpt"


def test_tools_results_and_images_of_the_genai_conventions() -> None:
    asked = [
        parts("user", said("Weather?"), {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"}),
        parts("assistant", {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}}),
        parts("tool", {"type": "tool_call_response", "id": "call_1", "response": "12 C"}),
        parts("user", {"type": "blob", "modality": "image", "mime_type": "image/jpeg", "content": "AAAA"}),
    ]
    answer = [
        parts("assistant", {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'})
    ]
    made = log(
        {
            **GENAI,
            "gen_ai.system_instructions": [said("Be brief.")],
            "gen_ai.input.messages": asked,
            "gen_ai.output.messages": answer,
            "gen_ai.response.finish_reasons": ["tool_call"],
            "gen_ai.tool.definitions": dumped([{"type": "function", **TOOL["function"]}]),  # type: ignore[dict-item]
            "gen_ai.request.temperature": 0.5,
            "gen_ai.request.max_tokens": 7,
            "gen_ai.request.stop_sequences": ["x"],
            "gen_ai.request.choice.count": 1,
        }
    )
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    blob = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
    assert request(made) == {
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}, image]},
            CALLED,
            RESULT,
            {"role": "user", "content": [blob]},
        ],
        "tools": [TOOL],
        "temperature": 0.5,
        "max_tokens": 7,
        "stop": ["x"],
        "n": 1,
    }
    assert choices(made) == [{"index": 0, "message": CALLED, "finish_reason": "tool_calls"}]


def test_the_event_that_has_the_details() -> None:
    details = event(
        "gen_ai.client.inference.operation.details",
        **{
            "gen_ai.input.messages": [parts("user", said("Hi?"))],
            "gen_ai.output.messages": [parts("assistant", said("Hi!"))],
        },
    )
    made = log(GENAI, [details])
    assert request(made)["messages"] == [{"role": "user", "content": "Hi?"}]
    assert answers(made) == [{"role": "assistant", "content": "Hi!"}]


MESSAGE_EVENTS = {
    "attributes of their own": [
        event("gen_ai.system.message", content="Be brief."),
        event("gen_ai.user.message", content="How are you?"),
        event("gen_ai.assistant.message", tool_calls=dumped([CALL])),
        event("gen_ai.tool.message", id="call_1", content="12 C"),
        event("gen_ai.choice", index=0, finish_reason="stop", message=dumped(SAID)),
    ],
    "structured bodies": [
        event("gen_ai.system.message", content="Be brief.", role="system"),
        event("gen_ai.user.message", content="How are you?"),
        event("gen_ai.assistant.message", tool_calls=[CALL]),
        event("gen_ai.tool.message", id="call_1", content="12 C"),
        event("gen_ai.choice", index=0, finish_reason="stop", message=SAID),
    ],
    "Azure's": [
        event("gen_ai.system.message", **{"gen_ai.event.content": dumped(ASKED[0])}),
        event("gen_ai.user.message", **{"gen_ai.event.content": dumped(ASKED[1])}),
        event("gen_ai.assistant.message", **{"gen_ai.event.content": dumped(CALLED)}),
        event("gen_ai.tool.message", **{"gen_ai.event.content": dumped({"id": "call_1", "content": "12 C"})}),
        event("gen_ai.choice", **{"gen_ai.event.content": dumped({"message": SAID, "finish_reason": "stop"})}),
    ],
    "Bedrock's blocks": [
        event("gen_ai.system.message", content=dumped([{"text": "Be brief."}])),
        event("gen_ai.user.message", content=dumped([{"text": "How are you?"}])),
        event(
            "gen_ai.assistant.message",
            content=[{"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Oslo"}}}],
        ),
        event("gen_ai.tool.message", content=[{"toolResult": {"toolUseId": "call_1", "content": "12 C"}}]),
        event("gen_ai.choice", message=dumped([{"text": "Fine."}]), finish_reason="end_turn"),
    ],
}


@pytest.mark.parametrize("events", MESSAGE_EVENTS.values(), ids=MESSAGE_EVENTS)
def test_an_event_for_each_message(events: list[Moment]) -> None:
    made = log({"gen_ai.system": "openai", "gen_ai.request.model": "gpt"}, events)
    assert request(made)["messages"] == [*ASKED, CALLED, RESULT]
    assert choices(made) == [{"index": 0, "message": SAID, "finish_reason": "stop"}]


def test_prompt_and_completion_as_events_and_as_attributes() -> None:
    first = {"gen_ai.prompt": dumped(ASKED)}, {"gen_ai.completion": dumped([SAID])}
    events = [event("gen_ai.content.prompt", **first[0]), event("gen_ai.content.completion", **first[1])]
    for made in (log(GENAI, events), log({**GENAI, **first[0], **first[1]})):
        assert request(made)["messages"] == ASKED
        assert answers(made) == [SAID]


def test_events_in_an_attribute() -> None:
    listed = [
        {"event.name": "gen_ai.system.message", "role": "system", "content": "Be brief."},
        {"event.name": "gen_ai.user.message", "role": "user", "content": "How are you?"},
        {"event.name": "gen_ai.choice", "index": 0, "message": SAID},
    ]
    made = log(
        {
            **GENAI,
            "events": dumped(listed),
            "model_request_parameters": dumped(
                {"function_tools": [{"name": "weather", "description": "It.", "parameters_json_schema": SCHEMA}]}
            ),
        }
    )
    assert request(made) == {"model": "gpt", "messages": ASKED, "tools": [TOOL]}
    assert answers(made) == [SAID]


def test_openllmetry() -> None:
    made = log(
        {
            "llm.request.type": "chat",
            "gen_ai.system": "OpenAI",
            "gen_ai.request.model": "gpt",
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": dumped(
                [
                    {"type": "text", "text": "This?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ]
            ),
            "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.tool_calls.0.id": "call_1",
            "gen_ai.prompt.2.tool_calls.0.name": "weather",
            "gen_ai.prompt.2.tool_calls.0.arguments": '{"city":"Oslo"}',
            "gen_ai.prompt.10.role": "user",
            "gen_ai.prompt.10.content": "And then?",
            "gen_ai.prompt.3.role": "tool",
            "gen_ai.prompt.3.content": "12 C",
            "gen_ai.prompt.3.tool_call_id": "call_1",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Fine.",
            "gen_ai.completion.0.finish_reason": "stop",
            "gen_ai.completion.1.content": "Well.",
            "gen_ai.completion.1.finish_reason": "length",
            "llm.request.functions.0.name": "weather",
            "llm.request.functions.0.description": "It.",
            "llm.request.functions.0.parameters": dumped(SCHEMA),
            "gen_ai.usage.prompt_tokens": 36,
            "gen_ai.usage.completion_tokens": 4,
            "llm.is_streaming": True,
            "llm.user": "ann",
            "traceloop.association.properties.session_id": "s1",
            "traceloop.association.properties.plan": "gold",
        },
        [event("llm.content.completion.chunk"), Moment("llm.content.completion.chunk", 101.0, {})],
    )
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert request(made)["messages"] == [
        ASKED[0],
        {"role": "user", "content": [{"type": "text", "text": "This?"}, image]},
        CALLED,
        RESULT,
        {"role": "user", "content": "And then?"},
    ]
    assert request(made)["tools"] == [TOOL]
    assert [(c["message"]["content"], c["finish_reason"]) for c in choices(made)] == [
        ("Fine.", "stop"),
        ("Well.", "length"),
    ]
    assert (made.prompt_tokens, made.completion_tokens, made.cost) == (36, 4, 76.0)
    assert (made.stream, made.first_token_ms, made.user) == (True, 250.0, "ann")
    assert made.metadata == {"session_id": "s1", "plan": "gold"}


OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt",
    "llm.invocation_parameters": dumped({"model": "gpt", "temperature": 0.5, "user": "ann", "secret": 1}),
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.contents.0.message_content.type": "text",
    "llm.input_messages.0.message.contents.0.message_content.text": "This?",
    "llm.input_messages.0.message.contents.1.message_content.type": "image",
    "llm.input_messages.0.message.contents.1.message_content.image.image.url": "https://example.com/a.png",
    "llm.input_messages.1.message.role": "assistant",
    "llm.input_messages.1.message.tool_calls.0.tool_call.id": "call_1",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": '{"city":"Oslo"}',
    "llm.input_messages.2.message.role": "tool",
    "llm.input_messages.2.message.tool_call_id": "call_1",
    "llm.input_messages.2.message.content": "12 C",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Fine.",
    "llm.tools.0.tool.json_schema": dumped(TOOL),
    "llm.token_count.prompt": 5,
    "llm.token_count.completion": 2,
    "llm.token_count.prompt_details.cache_read": 3,
    "llm.token_count.completion_details.reasoning": 1,
    "llm.cost.total": 0.25,
    "session.id": "s1",
    "user.id": "ben",
    "metadata": dumped({"ticket": 7}),
    "tag.tags": ["a", "b"],
}


def test_openinference() -> None:
    made = log(OPENINFERENCE, [event("First Token Stream Event")], resource={"service.name": "shop"})
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert request(made) == {
        "model": "gpt",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "This?"}, image]}, CALLED, RESULT],
        "tools": [TOOL],
        "temperature": 0.5,
        "user": "ann",
    }
    assert answers(made) == [SAID]
    assert json.loads(made.response)["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 2,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert (made.cost, made.user, made.first_token_ms) == (0.25, "ben", 250.0)
    assert made.metadata == {"ticket": "7", "session_id": "s1", "tags": '["a","b"]', "service": "shop"}


def test_openinference_with_the_whole_request_and_answer() -> None:
    sent = {"model": "gpt", "messages": ASKED, "response_format": {"type": "json_object"}, "stream": True}
    came = {
        "id": "chatcmpl-1",
        "model": "gpt-2026",
        "choices": [{"index": 0, "message": SAID, "finish_reason": "stop"}],
    }
    made = log({"openinference.span.kind": "LLM", "input.value": dumped(sent), "output.value": dumped(came)})
    assert request(made) == sent
    assert (answers(made), made.model, made.served_by, made.response_id) == ([SAID], "gpt", "gpt-2026", "chatcmpl-1")
    assert made.stream


def test_the_function_call_of_openinference() -> None:
    made = log(
        {
            "openinference.span.kind": "LLM",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.function_call_name": "weather",
            "llm.output_messages.0.message.function_call_arguments_json": '{"city":"Oslo"}',
        }
    )
    (answer,) = answers(made)
    assert answer["tool_calls"][0]["function"] == CALL["function"]
    assert choices(made)[0]["finish_reason"] == "tool_calls"


def test_plain_text_in_and_out() -> None:
    made = log({"openinference.span.kind": "LLM", "input.value": "Hi?", "output.value": "Hi!"})
    assert request(made) == {"messages": [{"role": "user", "content": "Hi?"}]}
    assert (answers(made), made.model) == ([{"role": "assistant", "content": "Hi!"}], "unknown")


def test_the_vercel_ai_sdk() -> None:
    prompt = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How are you?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool-call", "toolCallId": "call_1", "toolName": "weather", "input": {"city": "Oslo"}}
            ],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "call_1",
                    "toolName": "weather",
                    "output": {"type": "text", "value": "12 C"},
                }
            ],
        },
    ]
    inner = {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt",
        "ai.prompt.messages": dumped(prompt),
        "ai.prompt.tools": [
            dumped({"type": "function", "name": "weather", "description": "It.", "inputSchema": SCHEMA})
        ],
        "ai.response.text": "Fine.",
        "ai.response.finishReason": "tool-calls",
        "ai.response.toolCalls": dumped([{"toolCallId": "call_1", "toolName": "weather", "input": '{"city":"Oslo"}'}]),
        "ai.usage.promptTokens": 5,
        "ai.usage.completionTokens": 2,
        "ai.response.msToFirstChunk": 12.5,
        "ai.telemetry.metadata.userId": "ann",
    }
    made = log(inner)
    assert request(made) == {"model": "gpt", "messages": [*ASKED, CALLED, RESULT], "tools": [TOOL]}
    assert choices(made) == [{"index": 0, "message": {**CALLED, "content": "Fine."}, "finish_reason": "tool_calls"}]
    assert (made.prompt_tokens, made.completion_tokens, made.first_token_ms, made.user) == (5, 2, 12.5, "ann")
    outer = log(
        {"ai.operationId": "ai.generateText", "ai.prompt": dumped({"prompt": "Hi?"}), "ai.response.text": "Hi!"}
    )
    assert (outer.span_kind, outer.model, outer.prompt_tokens) == ("chain", "", None)
    assert json.loads(outer.response) == {"value": "Hi!"}


OTHERS: dict[str, dict[str, Json]] = {
    "Langfuse": {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt",
        "langfuse.observation.input": dumped(ASKED),
        "langfuse.observation.output": dumped(SAID),
        "langfuse.observation.usage_details": dumped({"input": 5, "output": 2}),
        "langfuse.observation.model.parameters": dumped({"temperature": 0.5}),
    },
    "MLflow": {
        "mlflow.spanType": '"CHAT_MODEL"',
        "mlflow.spanInputs": dumped({"model": "gpt", "messages": ASKED, "temperature": 0.5}),
        "mlflow.spanOutputs": dumped({"choices": [{"message": SAID, "finish_reason": "stop"}]}),
        "gen_ai.usage.input_tokens": "5",
        "gen_ai.usage.output_tokens": 2,
    },
    "Logfire": {
        "gen_ai.request.model": "gpt",
        "request_data": dumped({"model": "gpt", "messages": ASKED, "temperature": 0.5}),
        "response_data": dumped({"message": SAID}),
        "gen_ai.usage.input_tokens": 5,
        "gen_ai.usage.output_tokens": 2,
    },
    "Anthropic's messages": {
        **GENAI,
        "gen_ai.request.temperature": 0.5,
        "input.value": dumped(
            {
                "system": "Be brief.",
                "messages": [{"role": "user", "content": [{"type": "text", "text": "How are you?"}]}],
            }
        ),
        "output.value": dumped(
            {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Fine."}],
            }
        ),
    },
    "LangChain's messages": {
        **GENAI,
        "gen_ai.request.temperature": 0.5,
        "input.value": dumped(
            {
                "messages": [
                    [
                        {
                            "lc": 1,
                            "type": "constructor",
                            "id": ["langchain", "schema", "messages", "SystemMessage"],
                            "kwargs": {"content": "Be brief."},
                        },
                        {"type": "human", "content": "How are you?"},
                    ]
                ]
            }
        ),
        "output.value": dumped([{"type": "ai", "content": "Fine."}]),
    },
    "OpenAI's Responses": {
        **GENAI,
        "gen_ai.request.temperature": 0.5,
        "input.value": dumped({"instructions": "Be brief.", "input": "How are you?"}),
        "output.value": dumped(
            {
                "object": "response",
                "output": [
                    {"type": "reasoning", "summary": []},
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Fine."}]},
                ],
            }
        ),
    },
    "Gemini's contents": {
        **GENAI,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.system_instructions": "Be brief.",
        "gen_ai.input.messages": dumped([{"role": "user", "parts": [{"text": "How are you?"}]}]),
        "gen_ai.output.messages": dumped([{"role": "model", "parts": [{"text": "Fine."}]}]),
    },
}


@pytest.mark.parametrize("attributes", OTHERS.values(), ids=OTHERS)
def test_others(attributes: dict[str, Json]) -> None:
    made = log(attributes)
    assert request(made) == {"model": "gpt", "messages": ASKED, "temperature": 0.5}
    assert choices(made) == [{"index": 0, "message": SAID, "finish_reason": "stop"}]
    assert (made.span_kind, made.prompt_tokens, made.completion_tokens) == ("llm", 5, 2)


def test_calls_among_the_items_of_a_response() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call_output", "call_id": "call_1", "output": "12 C"},
    ]
    made = log({**GENAI, "input.value": dumped({"input": items}), "output.value": dumped({"output": items[1:2]})})
    assert request(made)["messages"] == [{"role": "user", "content": "Weather?"}, CALLED, RESULT]
    assert answers(made) == [CALLED]


@pytest.mark.parametrize(
    ("attributes", "status", "error"),
    [
        ({"error.type": "RateLimitError"}, 429, "RateLimitError"),
        ({"error.type": "503"}, 503, "503"),
        ({"http.response.status_code": 404, "error.type": "x"}, 404, "x"),
        ({}, 500, "the span failed and does not say why"),
    ],
)
def test_a_failed_span(attributes: dict[str, Json], status: int, error: str) -> None:
    made = log({**GENAI, **attributes}, failed=True)
    assert (made.status, made.error, made.served_by) == (status, error, "gpt-2026")
    assert json.loads(made.response)["error"]["message"] == error


def test_what_was_raised_says_why() -> None:
    raised = event("exception", **{"exception.type": "openai.RateLimitError", "exception.message": "Slow down"})
    made = log(
        {"openinference.span.kind": "LLM", "llm.invocation_parameters": '{"model":"gpt"}'}, [raised], failed=True
    )
    assert (made.status, made.error, made.model, made.served_by) == (429, "Slow down", "gpt", None)


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"openinference.span.kind": "RETRIEVER"}, "retriever"),
        ({"openinference.span.kind": "UNKNOWN"}, "span"),
        (
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt", "gen_ai.usage.input_tokens": 1},
            "agent",
        ),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}, "tool"),
        ({"gen_ai.operation.name": "text_completion"}, "llm"),
        ({"gen_ai.operation.name": "embeddings"}, "embedding"),
        ({"traceloop.span.kind": "workflow"}, "chain"),
        ({"traceloop.span.kind": "agent"}, "agent"),
        ({"mlflow.spanType": "RERANKER"}, "reranker"),
        ({"ai.operationId": "ai.toolCall"}, "tool"),
        ({"ai.operationId": "ai.embed.doEmbed"}, "embedding"),
        ({"gen_ai.request.model": "gpt", "gen_ai.usage.input_tokens": 1}, "llm"),
        ({"gen_ai.request.model": "gpt"}, "span"),
        ({"http.request.method": "POST"}, "span"),
        ({}, "span"),
    ],
)
def test_kinds(attributes: dict[str, Json], kind: str) -> None:
    assert log(attributes).span_kind == kind


def test_steps_keep_their_place_but_are_no_calls() -> None:
    agent = log(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.request.model": "gpt",
            "gen_ai.usage.input_tokens": 50,
            "gen_ai.input.messages": dumped([parts("user", said("Hi?"))]),
            "gen_ai.output.messages": dumped([parts("assistant", said("Hi!"))]),
        },
        parent_id="c" * 16,
    )
    assert (agent.model, agent.endpoint, agent.prompt_tokens, agent.cost) == ("", "", None, None)
    assert request(agent) == {"value": [parts("user", said("Hi?"))]}
    assert agent.parent_id == "c" * 16
    tool = log(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.call.arguments": '{"city": "Oslo"}',
            "gen_ai.tool.call.result": "12 C",
        }
    )
    assert (request(tool), json.loads(tool.response)) == ({"value": {"city": "Oslo"}}, {"value": "12 C"})
    found = log(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "Oslo?",
            "retrieval.documents.0.document.content": "A city.",
        }
    )
    assert json.loads(found.response) == {"value": [{"document": {"content": "A city."}}]}
    assert (found.input_text, "A city." in found.output_text) == ("Oslo?", True)


def test_embeddings() -> None:
    made = log(
        {
            "openinference.span.kind": "EMBEDDING",
            "embedding.model_name": "gpt",
            "embedding.embeddings.0.embedding.text": "hello",
            "llm.token_count.prompt": 3,
        }
    )
    assert (made.endpoint, made.model, made.prompt_tokens, made.cost) == ("/v1/embeddings", "gpt", 3, 3.0)
    assert request(made) == {"model": "gpt", "input": "hello"}


def test_a_later_version_wins_and_loses_nothing() -> None:
    told = log(
        {}, [event("gen_ai.user.message", content="Hi?"), event("gen_ai.choice", message=SAID)], name=None, end=None
    )
    ended = log({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt", "gen_ai.usage.input_tokens": 5})
    for made in (merged(told, ended), merged(ended, told)):
        assert request(made) == {"model": "gpt", "messages": [{"role": "user", "content": "Hi?"}]}
        assert (answers(made), made.model, made.span_name, made.latency_ms) == ([SAID], "gpt", "chat", 1500.0)
        assert (made.input_text, made.output_text, made.prompt_tokens) == ("Hi?", "Fine.", 5)
        assert json.loads(made.response)["usage"]["prompt_tokens"] == 5
    failed = log({**GENAI, "gen_ai.input.messages": [parts("user", said("Ho?"))]}, failed=True)
    again = merged(failed, ended)
    assert (again.status, again.error, again.response_id) == (200, None, "chatcmpl-1")
    assert request(again)["messages"] == [{"role": "user", "content": "Ho?"}]
    assert "choices" not in json.loads(merged(ended, failed).response)


def test_names_with_dots_become_a_tree() -> None:
    values = {"p.1": "b", "p.0.x": 1, "p.0": "not this", "p.10.y.z": 2, "q.0": 3}
    assert nested(values, "p") == [{"x": 1}, "b", {"y": {"z": 2}}]
    assert nested(values, "r") is None
    assert nested({"p." + "a." * 5000: 1}, "p") is not None


def test_json_within_a_text_is_read_unless_it_is_too_deep_to_be_written_again() -> None:
    assert parsed(' {"a": [1]}') == {"a": [1]}
    assert parsed("{not json") == "{not json"
    deep = "[" * 300 + "]" * 300
    assert parsed(deep) == deep
    flat = dumped([[]] * 300)
    assert len(parsed(flat)) == 300


_NAMES = st.sampled_from(
    sorted(
        {*GENAI, *OPENINFERENCE, *(name for other in OTHERS.values() for name in other), "events", "ai.operationId"}
        | {
            "gen_ai.prompt.0.role",
            "gen_ai.prompt.0.content",
            "gen_ai.completion.0",
            "llm.tools.0",
            "ai.prompt.messages",
        }
        | {"gen_ai.tool.definitions", "gen_ai.system_instructions", "model_request_parameters", "ai.response.toolCalls"}
        | {"gen_ai.client.inference.operation.details", "llm.request.functions.0.name", "retrieval.documents"}
    )
)
_KEYS = st.sampled_from(
    ["role", "content", "parts", "type", "text", "message", "messages", "tool_calls", "function", "name", "arguments"]
    + ["id", "kwargs", "choices", "output", "input", "image", "image_url", "source", "tool_call", "toolUse", "system"]
)
_WORDS = st.sampled_from(
    [
        "user",
        "assistant",
        "tool",
        "text",
        "tool_call",
        "tool_result",
        "image",
        "blob",
        "message",
        "human",
        "chat",
        "LLM",
    ]
    + ["{", "[]", '{"messages":[1]}', '[{"role":"user","content":null}]', "", "nan", "1e999", "-1"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | _WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)
_ANYTHING = st.dictionaries(_NAMES, _VALUES | _VALUES.map(json.dumps), max_size=6)


@given(
    _ANYTHING,
    st.lists(st.tuples(_NAMES | st.sampled_from(["gen_ai.choice", "gen_ai.tool.message"]), _ANYTHING), max_size=2),
)
def test_no_attribute_breaks_it(attributes: dict[str, Json], events: list[tuple[str, dict[str, Json]]]) -> None:
    moments = [Moment(name, 1.0, values) for name, values in events]
    made = log(attributes, moments)
    for message in request(made).get("messages", ()):
        assert isinstance(message["role"], str) and isinstance(message["content"], str | list | None)
    merged(made, made)
