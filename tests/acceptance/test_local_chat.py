"""A real model behind a real server, asked by OpenAI's own client, which checks the shape of all it gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from llguidance import LLMatcher, LLTokenizer
from openai import OpenAI

from tests.acceptance.server import KEY, Server

MODEL = "smollm2-135m-instruct"
ASK: list[Any] = [{"role": "user", "content": "What is the capital of France? Answer briefly."}]
#: long enough for a prompt to be computed in several pieces
SYSTEM = "You tell stories to children who like animals, bicycles and the sea. " * 9
STORY: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Tell me one about a fox."}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 20}, "unit": {"enum": ["c", "f"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer", "maximum": 99}, "b": {"type": "integer", "maximum": 99}},
            "required": ["a", "b"],
        },
    },
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[OpenAI]:
    home = tmp_path_factory.mktemp("local")
    settings = {"TUNELOOP_SLOTS": "4", "TUNELOOP_CONTEXT": "1024", "TUNELOOP_THREADS": "1"}
    with Server(home, smollm2.parent, **settings) as server:
        strict = OpenAI(base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True)
        yield strict
        strict.close()


def ask(client: OpenAI, **fields: Any) -> Any:
    defaults = {"model": MODEL, "messages": ASK, "max_tokens": 12, "temperature": 0}
    return client.chat.completions.create(**{**defaults, **fields})


def text_of(answer: Any) -> str:
    return str(answer.choices[0].message.content)


def test_a_stream_says_what_a_whole_answer_says_token_by_token(client: OpenAI) -> None:
    whole = ask(client, messages=STORY, max_tokens=60)
    assert text_of(ask(client, messages=STORY, max_tokens=60)) == text_of(whole)  # with a prompt that is remembered
    chunks = list(ask(client, messages=STORY, max_tokens=60, stream=True, stream_options={"include_usage": True}))
    *pieces, last = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces) == text_of(whole)
    assert sum(bool(chunk.choices[0].delta.content) for chunk in pieces) > 40
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.model for chunk in chunks} == {MODEL}
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert not pieces[-1].choices[0].delta.content and all(chunk.usage is None for chunk in pieces)
    assert last.choices == [] and last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (whole.usage.prompt_tokens, 60)


def test_several_samples(client: OpenAI) -> None:
    fields: Any = {"messages": STORY, "temperature": 1.2, "max_tokens": 16, "extra_body": {"ignore_eos": True}}
    whole = ask(client, n=3, **fields)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in whole.choices}) == 3
    assert whole.usage.completion_tokens == 48
    assert whole.usage.prompt_tokens == ask(client, messages=STORY, max_tokens=1).usage.prompt_tokens
    told: dict[int, str] = {}
    for chunk in ask(client, n=5, stream=True, **fields):  # more than there are slots
        for choice in chunk.choices:
            told[choice.index] = told.get(choice.index, "") + (choice.delta.content or "")
    assert sorted(told) == [0, 1, 2, 3, 4] and len(set(told.values())) == 5


def test_a_seed_repeats_whatever_was_asked_before(client: OpenAI) -> None:
    fields = {"messages": STORY, "temperature": 1, "max_tokens": 40}
    first = text_of(ask(client, **fields, seed=7))
    assert text_of(ask(client, **fields, seed=8)) != first
    assert text_of(ask(client, **fields, seed=7)) == first


def test_limits_stops_and_biases(client: OpenAI) -> None:
    stopped = ask(client, stop=[" Paris", "nothing"], max_tokens=30)
    assert text_of(stopped) == "The capital of France is" and stopped.choices[0].finish_reason == "stop"
    cut = ask(client, max_completion_tokens=3, max_tokens=openai.omit)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 3)
    ended = ask(client, max_tokens=30)
    assert ended.choices[0].finish_reason == "stop" and ended.usage.completion_tokens < 30
    assert text_of(ask(client, logit_bias={"28": 100}, max_tokens=3)) == ",,,"
    assert "Paris" not in text_of(ask(client, logit_bias={"7042": -100}, max_tokens=8))
    plain, varied = (text_of(ask(client, messages=STORY, max_tokens=60, frequency_penalty=f)) for f in (0, 2))
    assert len(set(varied.split())) / len(varied.split()) > len(set(plain.split())) / len(plain.split())


def test_log_probabilities_add_up_to_the_text(client: OpenAI) -> None:
    said = "Größe ☃ 🙂 日本"
    extra = {"grammar": f"root ::= {json.dumps(said, ensure_ascii=False)}"}
    for messages, more in ((STORY, {}), (ASK, extra)):
        answer = ask(client, messages=messages, max_tokens=30, logprobs=True, top_logprobs=3, extra_body=more)
        content = answer.choices[0].logprobs.content
        assert "".join(one.token for one in content) == text_of(answer)
        assert bytes(byte for one in content for byte in one.bytes).decode() == text_of(answer)
        assert len(content) == answer.usage.completion_tokens
        for one in content:
            tops = [top.logprob for top in one.top_logprobs]
            assert one.logprob <= 0 and len(tops) == 3 and tops == sorted(tops, reverse=True)
    assert [one.top_logprobs for one in ask(client, logprobs=True, max_tokens=1).choices[0].logprobs.content] == [[]]


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def test_answers_in_a_schema(client: OpenAI) -> None:
    kinds = [_object(kind={"const": "cat"}, lives={"type": "integer", "maximum": 9}), {"type": "null"}]
    schema = {
        "$defs": {"mood": {"enum": ["good", "bad"]}, "pet": {"anyOf": kinds}},
        **_object(
            mood={"$ref": "#/$defs/mood"},
            urgent={"type": "boolean"},
            pet={"$ref": "#/$defs/pet"},
            sizes={"type": "array", "items": {"type": "integer", "maximum": 99}, "minItems": 2, "maxItems": 3},
            nick={"type": ["string", "null"], "maxLength": 12},
        ),
    }
    asked = {"type": "json_schema", "json_schema": {"name": "pet", "schema": schema, "strict": True}}
    for temperature in (0, 1, 1):
        answer = ask(client, response_format=asked, max_tokens=300, temperature=temperature)
        value = json.loads(text_of(answer))
        assert answer.choices[0].finish_reason == "stop"
        assert list(value) == ["mood", "urgent", "pet", "sizes", "nick"]
        assert value["mood"] in ("good", "bad") and isinstance(value["urgent"], bool)
        assert value["pet"] is None or value["pet"]["kind"] == "cat" and isinstance(value["pet"]["lives"], int)
        assert 2 <= len(value["sizes"]) <= 3 and all(isinstance(size, int) for size in value["sizes"])
    cut = ask(client, response_format=asked, max_tokens=3)  # too few for any value of the schema
    assert cut.choices[0].finish_reason == "length" and text_of(cut).startswith("{")
    with pytest.raises(openai.BadRequestError, match="Invalid schema for response_format 'x': Invalid type: banana"):
        ask(
            client,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "banana"}}},
        )


def test_llama_cpp_reads_grammars_as_we_do(client: OpenAI) -> None:
    # Newer versions of llguidance take a separator for a pattern, older ones for a text.
    schema = {"type": "array", "items": {"const": 1}, "minItems": 2, "maxItems": 2}
    options = {"x-guidance": {"item_separator": ", ?", "whitespace_flexible": False}}
    grammar = f"%llguidance {{}}\nstart: %json {json.dumps(schema | options)}"
    answer = text_of(ask(client, extra_body={"grammar": grammar}))
    ours = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_lark(grammar))
    assert ours.consume_tokens(list(answer.encode())) and ours.is_accepting(), "pin the llguidance that xllamacpp has"


def _check_call(call: Any) -> None:
    assert call.type == "function" and call.id.startswith("call_")
    arguments = json.loads(call.function.arguments)
    if call.function.name == "get_weather":
        assert set(arguments) == {"city", "unit"} and arguments["unit"] in ("c", "f")
    else:
        assert call.function.name == "add" and set(arguments) == {"a", "b"}


def test_calls_of_tools(client: OpenAI) -> None:
    tools = [WEATHER, ADD]
    required = ask(client, tools=tools, tool_choice="required", max_tokens=200)
    assert required.choices[0].finish_reason == "tool_calls" and required.choices[0].message.content is None
    for call in required.choices[0].message.tool_calls:
        _check_call(call)
    named = {"type": "function", "function": {"name": "add"}}
    (call,) = ask(client, tools=tools, tool_choice=named, max_tokens=100).choices[0].message.tool_calls
    assert call.function.name == "add"
    _check_call(call)
    none = ask(client, tools=tools, tool_choice="none")
    assert none.choices[0].message.tool_calls is None and none.choices[0].message.content
    said = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}]
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        *ASK,
        {"role": "assistant", "content": None, "tool_calls": said},
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
    ]
    assert ask(client, messages=messages, tools=tools).choices[0].finish_reason in ("stop", "length", "tool_calls")


def test_a_call_in_a_stream(client: OpenAI) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    stream = ask(client, tools=[WEATHER], tool_choice=named, max_tokens=100, stream=True)
    pieces = [call for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert {piece.index for piece in pieces} == {0} and len(pieces) > 3
    assert (pieces[0].type, pieces[0].function.name, pieces[0].function.arguments) == ("function", "get_weather", "")
    assert pieces[0].id and all(piece.id is None and piece.function.name is None for piece in pieces[1:])
    assert json.loads("".join(piece.function.arguments for piece in pieces))["unit"] in ("c", "f")


def test_a_call_that_the_model_chooses_to_make(client: OpenAI) -> None:
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n</tool_call>'
    grammar = {"grammar": f"root ::= {json.dumps('Let me see. ' + call)}"}
    message = ask(client, tools=[ADD], max_tokens=60, extra_body=grammar).choices[0].message
    assert message.content == "Let me see." and message.tool_calls[0].function.arguments == '{"a": 1, "b": 2}'


def test_completions_of_old(client: OpenAI) -> None:
    fields: Any = {"model": MODEL, "max_tokens": 4, "temperature": 0}
    one = client.completions.create(prompt="The capital of France is", logprobs=2, **fields)
    logprobs: Any = one.choices[0].logprobs
    assert one.choices[0].text.startswith(" Paris") and "".join(logprobs.tokens) == one.choices[0].text
    assert logprobs.text_offset[0] == len("The capital of France is") and len(logprobs.top_logprobs[0]) == 2
    two = client.completions.create(prompt=["One, two,", "The fox"], echo=True, n=2, **fields)
    assert [choice.index for choice in two.choices] == [0, 1, 2, 3]
    assert two.choices[0].text.startswith("One, two,")
    lax = client.with_options()
    raw: Any = lax.completions.with_raw_response.create(
        prompt="Paris ☃ is", echo=True, logprobs=0, **{**fields, "max_tokens": 0}
    )
    told = json.loads(raw.content)["choices"][0]
    assert told["text"] == "".join(told["logprobs"]["tokens"]) == "Paris ☃ is"
    assert told["logprobs"]["token_logprobs"][0] is None and told["logprobs"]["token_logprobs"][-1] < 0


def test_what_is_too_long_or_wrong(client: OpenAI) -> None:
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError, match="This model's maximum context length is 1024 tokens") as long:
            ask(client, messages=[{"role": "user", "content": "long " * 1100}], stream=stream)
        assert (long.value.code, long.value.param) == ("context_length_exceeded", "messages")
    for fields, param in (
        ({"temperature": 3}, "temperature"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages"),
        ({"extra_body": {"grammar": "root ::= ["}}, None),
    ):
        with pytest.raises(openai.BadRequestError) as wrong:
            ask(client, **fields)
        assert wrong.value.param == param or str(wrong.value.param).startswith(str(param))
    assert ask(client, max_tokens=100_000, stop=["."]).choices[0].finish_reason == "stop"


def test_streams_that_are_left_early_free_their_slots(client: OpenAI) -> None:
    endless = {"messages": STORY, "max_tokens": 900, "stream": True, "extra_body": {"ignore_eos": True}}
    streams = [ask(client, **endless) for _ in range(4)]  # as many as there are slots
    for stream in streams:
        next(iter(stream))
    for stream in streams:
        stream.close()
    started = time.monotonic()
    ask(client, max_tokens=4)
    assert time.monotonic() - started < 3


def test_many_calls_at_once(client: OpenAI) -> None:
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(text_of(ask(client, max_tokens=8)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 16 and set(answers) == {text_of(ask(client, max_tokens=8))}
