"""What a local model is asked for: what is refused, in whose words, and what is let through."""

from __future__ import annotations

from typing import Any

import pytest

from tuneloop.engines.local.chats import ChatRequest, read_chat
from tuneloop.engines.local.completions import read_completion
from tuneloop.errors import InvalidInput
from tuneloop.types import Json

USER = {"role": "user", "content": "Hi"}
BODY: dict[str, Any] = {"model": "m", "messages": [USER]}
VOCABULARY = 1000
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "g"}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def chat(**fields: Any) -> ChatRequest:
    return read_chat({**BODY, **fields}, VOCABULARY)


def messages(*after: Json) -> dict[str, Any]:
    return {"messages": [USER, *after]}


def part(**fields: Any) -> dict[str, Any]:
    return messages({"role": "user", "content": [fields]})


def schema(**fields: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": fields}}


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"temperature": True}, "temperature", "invalid_type"),
    ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
    ({"presence_penalty": 2.5}, "presence_penalty", "decimal_above_max_value"),
    ({"frequency_penalty": -3}, "frequency_penalty", "decimal_below_min_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"n": 1.5}, "n", "invalid_type"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_completion_tokens": "5"}, "max_completion_tokens", "invalid_type"),
    ({"seed": 1.5}, "seed", "invalid_type"),
    ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
    ({"stop": [1]}, "stop", "invalid_type"),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"logit_bias": {"x": 1}}, "logit_bias", "invalid_value"),
    ({"logit_bias": {"1000": 1}}, "logit_bias", "invalid_value"),
    ({"logit_bias": {"9" * 5000: 1}}, "logit_bias", "invalid_value"),
    ({"logit_bias": {"5": 101}}, "logit_bias", "invalid_value"),
    ({"logit_bias": []}, "logit_bias", "invalid_type"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ({"stream": True, "stream_options": []}, "stream_options", "invalid_type"),
    ({"modalities": ["text", "audio"]}, "modalities", "invalid_value"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": None}, "messages", "missing_required_parameter"),
    ({"messages": {}}, "messages", "invalid_type"),
    (messages("x"), "messages[1]", "invalid_type"),
    (messages({"content": "x"}), "messages[1].role", "missing_required_parameter"),
    (messages({"role": "bot", "content": "x"}), "messages[1].role", "invalid_value"),
    (messages({"role": 3, "content": "x"}), "messages[1].role", "invalid_type"),
    (messages({"role": "user"}), "messages[1].content", "missing_required_parameter"),
    (messages({"role": "user", "content": None}), "messages[1].content", "invalid_type"),
    (messages({"role": "user", "content": 3}), "messages[1].content", "invalid_type"),
    (messages({"role": "user", "content": []}), "messages[1].content", "empty_array"),
    (messages({"role": "user", "content": "x", "name": 3}), "messages[1].name", "invalid_type"),
    (part(type="image_url", image_url={"url": "x"}), "messages[1].content[0].type", "invalid_value"),
    (part(type="input_audio"), "messages[1].content[0].type", "invalid_value"),
    (part(type="painting"), "messages[1].content[0].type", "invalid_value"),
    (part(text="x"), "messages[1].content[0].type", "missing_required_parameter"),
    (part(type="text"), "messages[1].content[0].text", "missing_required_parameter"),
    (messages({"role": "tool", "content": "x"}), "messages[1].tool_call_id", "missing_required_parameter"),
    (messages({"role": "function", "content": "x"}), "messages[1].name", "missing_required_parameter"),
    (messages({"role": "assistant", "tool_calls": [3]}), "messages[1].tool_calls[0]", "invalid_type"),
    (
        messages({"role": "assistant", "tool_calls": [{**CALL, "id": None}]}),
        "messages[1].tool_calls[0].id",
        "missing_required_parameter",
    ),
    (
        messages({"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}),
        "messages[1].tool_calls[0].function.arguments",
        "missing_required_parameter",
    ),
    (
        messages({"role": "assistant", "function_call": {"name": "f", "arguments": {}}}),
        "messages[1].function_call.arguments",
        "invalid_type",
    ),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [{"function": {"name": "f"}}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type", "invalid_value"),
    ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name", "missing_required_parameter"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
    ({"tools": [TOOL] * 129}, "tools", "array_above_max_length"),
    ({"tool_choice": "required"}, "tool_choice", None),
    ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice", "invalid_value"),
    ({"tools": [TOOL], "tool_choice": 3}, "tool_choice", "invalid_type"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice", None),
    ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice.function", "missing_required_parameter"),
    ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools", None),
    ({"functions": [{"name": "f"}], "function_call": {"name": "g"}}, "function_call", None),
    ({"response_format": "json"}, "response_format", "invalid_type"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "missing_required_parameter"),
    (schema(schema={}), "response_format.json_schema.name", "missing_required_parameter"),
    (schema(name="x", schema=3), "response_format.json_schema.schema", "invalid_type"),
    (schema(name="x", schema={"type": "banana"}), "response_format", None),
    (schema(name="x", schema={"$ref": "#/$defs/nothing"}), "response_format", None),
    (schema(name="x", schema={"type": "string", "pattern": "(?=a)"}), "response_format", None),
]


@pytest.mark.parametrize(("fields", "param", "code"), REFUSED)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str, code: str | None) -> None:
    with pytest.raises(InvalidInput) as raised:
        chat(**fields)
    error = raised.value.body()["error"]
    assert (raised.value.status, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error["code"] == (code or error["code"]) and error["message"]


def test_a_schema_that_is_none_is_named() -> None:
    with pytest.raises(InvalidInput, match="Invalid schema for response_format 'person': Invalid type: banana"):
        chat(**schema(name="person", schema={"type": "banana"}))


def test_null_is_as_good_as_nothing() -> None:
    names = (
        *("temperature", "top_p", "n", "stop", "seed", "max_tokens", "logit_bias", "logprobs", "top_logprobs"),
        *("stream", "stream_options", "tools", "tool_choice", "response_format", "functions", "modalities"),
    )
    assert chat(**dict.fromkeys(names)) == chat()


def test_what_is_unknown_is_let_through() -> None:
    others: dict[str, Any] = {
        "unheard_of": [1],
        "store": True,
        "metadata": {"a": "b"},
        "service_tier": "auto",
        "reasoning_effort": "none",
        "prediction": {"type": "content", "content": "x"},
        "web_search_options": {},
        "moderation": {},
        "modalities": ["text"],
        "parallel_tool_calls": True,
        "tools": [],
        "tool_choice": "none",
        "top_k": "many",
        "grammar": 3,
    }
    assert chat(**others) == chat()


def test_roles_and_contents_that_are_known() -> None:
    said = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "annotations": []},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "3"}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
        {"role": "function", "name": "f", "content": None},
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    ]
    assert chat(**messages(*said)).messages == [USER, *said]


@pytest.mark.parametrize(
    ("fields", "mode", "allowed", "parallel"),
    [
        ({}, "auto", ["f", "g"], True),
        ({"tool_choice": "auto", "parallel_tool_calls": False}, "auto", ["f", "g"], False),
        ({"tool_choice": "none"}, "none", ["f", "g"], True),
        ({"tool_choice": "required"}, "required", ["f", "g"], True),
        ({"tool_choice": {"type": "function", "function": {"name": "g"}}}, "required", ["g"], False),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [OTHER]}}},
            "required",
            ["g"],
            True,
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "none",
            [],
            True,
        ),
    ],
)
def test_which_tools_may_be_called(fields: dict[str, Any], mode: str, allowed: list[str], parallel: bool) -> None:
    use = chat(tools=[TOOL, OTHER], **fields).use
    assert use.tools == [TOOL, OTHER] and not use.legacy
    assert (use.mode, [tool["function"]["name"] for tool in use.allowed], use.parallel) == (mode, allowed, parallel)


@pytest.mark.parametrize(("choice", "mode"), [(None, "auto"), ("none", "none"), ({"name": "f"}, "required")])
def test_functions_are_tools_of_old(choice: Json, mode: str) -> None:
    use = chat(functions=[TOOL["function"]], function_call=choice).use
    assert (use.tools, use.mode, use.legacy, use.parallel) == ([TOOL], mode, True, False)


def test_the_newer_limit_counts() -> None:
    assert chat(max_tokens=5).most == 5
    assert chat(max_tokens=5, max_completion_tokens=3).most == 3
    assert chat().most is None


def test_sampling_as_llama_cpp_has_it() -> None:
    asked = chat(temperature=0, top_p=0.5, stop=["a", ""], seed=-1, top_k=3, ignore_eos=True, logit_bias={"7": -100})
    assert asked.sampling.asked_of_llama([1, 2], 64) == {
        **{"temperature": 0.0, "top_p": 0.5, "stop": ["a"], "top_k": 3, "ignore_eos": True},
        **{"seed": 2**32 - 2, "cache_prompt": False, "logit_bias": [(7, -100.0)]},
    }
    assert chat(stop="x").sampling.asked_of_llama([1], 64) == {"temperature": 1.0, "top_p": 1.0, "stop": ["x"]}


def test_penalties_are_for_what_was_sampled() -> None:
    # llama.cpp counts the prompt, too: what that takes from a token is given back.
    fields = chat(frequency_penalty=0.5, presence_penalty=1).sampling.asked_of_llama([4, 4, 9], 64)
    assert fields["logit_bias"] == [(4, 2.0), (9, 1.5)]
    assert (fields["frequency_penalty"], fields["presence_penalty"], fields["repeat_last_n"]) == (0.5, 1.0, 64)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": ["a", 3]}, "prompt"),
        ({"prompt": [[1, VOCABULARY]]}, "prompt"),
        ({"suffix": "x"}, "suffix"),
        ({"logprobs": 6}, "logprobs"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"best_of": 2, "stream": True}, "best_of"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"echo": 1}, "echo"),
        ({"temperature": 3}, "temperature"),
    ],
)
def test_completions_that_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read_completion({"model": "m", "prompt": "x", **fields}, VOCABULARY)
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        (None, [""]),
        ("x", ["x"]),
        (["x", "y"], ["x", "y"]),
        ([1, 2], [[1, 2]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
    ],
)
def test_prompts_of_completions(given: Json, prompts: list[Any]) -> None:
    asked = read_completion({"model": "m", "prompt": given}, VOCABULARY)
    assert asked.prompts == prompts
    assert (asked.most, asked.n, asked.best_of, asked.top) == (16, 1, 1, None)
