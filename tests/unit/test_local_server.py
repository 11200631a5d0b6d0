"""The server before a llama.cpp: answers whole and in chunks, calls, thoughts, log probabilities, what goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.chat_templates import FAMILIES
from tests.unit.llama_fake import Said, Served, serving
from tests.unit.test_chat_templates import trained
from tuneloop.tool_calls import HERMES

ASK: dict[str, Any] = {"model": "my/model:x", "messages": [{"role": "user", "content": "Hi"}]}
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
HELLO = [Said("Hel"), Said("lo"), Said("!")]


def call(arguments: str, name: str = "lookup") -> str:
    return f"{HERMES.first}{name}{HERMES.between}{arguments}{HERMES.last}"


def said(text: str, size: int = 5, choice: int = 0) -> list[Said]:
    """A text in tokens of some characters."""
    return [Said(text[start : start + size], choice) for start in range(0, len(text), size)]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(trained(FAMILIES["Phi-3"])) as started:
        started.llama.answers = [HELLO]
        yield started


async def post(served: Served, path: str = CHAT, **fields: Any) -> tuple[int, Any]:
    async with served.client.post(path, json={**ASK, **fields}) as response:
        return response.status, await response.json()


async def chunks(served: Served, path: str = CHAT, **fields: Any) -> list[dict[str, Any]]:
    async with served.client.post(path, json={**ASK, "stream": True, **fields}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in (await response.text()).split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


async def test_a_whole_answer(served: Served) -> None:
    status, answer = await post(served)
    prompt = served.llama.asked[0]["prompt"][0]
    assert status == 200 and answer.pop("id").startswith("chatcmpl-") and answer.pop("created") > 1e9
    assert answer == {
        "object": "chat.completion",
        "model": "my/model:x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello!", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": len(prompt),
            "completion_tokens": 3,
            "total_tokens": len(prompt) + 3,
            "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_test",
    }


async def test_a_stream(served: Served) -> None:
    got = await chunks(served)
    assert len({chunk["id"] for chunk in got}) == 1 and not any("usage" in chunk for chunk in got)
    assert {(chunk["object"], chunk["model"]) for chunk in got} == {("chat.completion.chunk", "my/model:x")}
    choices = [chunk["choices"][0] for chunk in got]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "", "refusal": None},
        *({"content": text} for text in ("Hel", "lo", "!")),
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None] * 4 + ["stop"]
    for chunk in got:
        ChatCompletionChunk.model_validate(chunk)


async def test_usage_is_told_at_the_end_of_a_stream_that_asks_for_it(served: Served) -> None:
    *got, last = await chunks(served, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None for chunk in got)
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == 3


async def test_the_prompt_is_that_of_training(served: Served) -> None:
    chat = trained(FAMILIES["Phi-3"])
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": None, "tool_calls": [_called("lookup", '{"city": "Bonn"}')]},
        {"role": "tool", "tool_call_id": "c", "content": "rain"},
    ]
    for choice in ("none", "auto", "required"):
        await post(served, messages=messages, tools=[TOOL], tool_choice=choice)
        assert served.llama.asked[-1]["prompt"] == [chat.prompt_ids(messages, [TOOL])]


def _called(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}}


async def test_several_choices(served: Served) -> None:
    served.llama.answers = [[Said("a", 1), Said("b", 0), Said("c", 1)], [Said("d", 0)]]
    _, answer = await post(served, n=3, seed=5)
    assert [(choice["index"], choice["message"]["content"]) for choice in answer["choices"]] == [
        (0, "b"),
        (1, "ac"),
        (2, "d"),
    ]
    # As many together as there are slots, each with a seed of its own: llama.cpp counts on from the one it gets.
    assert [(asked["n_cmpl"], asked["seed"]) for asked in served.llama.asked] == [(2, 5), (1, 7)]
    assert answer["usage"]["completion_tokens"] == 4
    assert answer["usage"]["prompt_tokens"] == len(served.llama.asked[0]["prompt"][0])


@pytest.mark.parametrize(("stop", "reason"), [("eos", "stop"), ("word", "stop"), ("limit", "length")])
async def test_reasons_for_an_end(served: Served, stop: str, reason: str) -> None:
    served.llama.stop = stop
    _, answer = await post(served, max_tokens=3)
    assert answer["choices"][0]["finish_reason"] == reason
    assert answer["usage"]["completion_tokens"] == 3
    assert served.llama.asked[0]["n_predict"] == 3


async def test_calls_of_tools(served: Served) -> None:
    text = "Let me look.\n" + call('{"city": "Bonn"}') + "\n" + call("{}", "now")
    served.llama.answers = [said(text)]
    _, answer = await post(served, tools=[TOOL])
    message = answer["choices"][0]["message"]
    assert (message["content"], answer["choices"][0]["finish_reason"]) == ("Let me look.", "tool_calls")
    assert [(one["type"], one["function"]) for one in message["tool_calls"]] == [
        ("function", {"name": "lookup", "arguments": '{"city": "Bonn"}'}),
        ("function", {"name": "now", "arguments": "{}"}),
    ]
    ids = [one["id"] for one in message["tool_calls"]]
    assert len(set(ids)) == 2 and all(len(one) == 29 and one.startswith("call_") for one in ids)


async def test_calls_of_tools_in_a_stream(served: Served) -> None:
    served.llama.answers = [said(call('{"city": "Bonn"}'))]
    got = [chunk["choices"][0] for chunk in await chunks(served, tools=[TOOL], tool_choice="required")]
    assert got[0]["delta"] == {"role": "assistant", "content": None, "refusal": None}
    first, *more = [choice["delta"]["tool_calls"][0] for choice in got[1:-1]]
    assert first.pop("id").startswith("call_")
    assert first == {"index": 0, "type": "function", "function": {"name": "lookup", "arguments": ""}}
    assert all(set(one) == {"index", "function"} and set(one["function"]) == {"arguments"} for one in more)
    assert len(more) > 1 and "".join(one["function"]["arguments"] for one in more) == '{"city": "Bonn"}'
    assert (got[-1]["delta"], got[-1]["finish_reason"]) == ({}, "tool_calls")


async def test_the_older_way_to_call_functions(served: Served) -> None:
    served.llama.answers = [said(call("{}"))]
    _, answer = await post(served, functions=[TOOL["function"]], function_call={"name": "lookup"})
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "function_call" and "tool_calls" not in choice["message"]
    assert choice["message"]["function_call"] == {"name": "lookup", "arguments": "{}"}


async def test_a_call_that_is_made_again_ends_the_answer(served: Served) -> None:
    served.llama.answers = [said("\n".join([call('{"a": 1}'), call('{"a": 2}')] * 3))]
    served.llama.pause = 0.001
    _, answer = await post(served, tools=[TOOL], tool_choice="required")
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [one["function"]["arguments"] for one in calls] == ['{"a": 1}', '{"a": 2}']
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["usage"]["completion_tokens"] < len(served.llama.answers[0])
    await _until(lambda: served.llama.hung_up)


@pytest.mark.parametrize(
    ("text", "calls", "reason"),
    [
        (call('{"a": 1}')[:-5], 1, "tool_calls"),
        (call('{"a": 1}')[:50], 1, "length"),
        (call('{"a": 1}')[:30], 0, "length"),
        (call('{"a": 1}') + "\n" + call('{"a": 2}')[:40], 1, "tool_calls"),
    ],
)
async def test_calls_that_are_cut_by_the_limit(served: Served, text: str, calls: int, reason: str) -> None:
    served.llama.answers, served.llama.stop = [said(text)], "limit"
    _, answer = await post(served, tools=[TOOL], tool_choice="required")
    (choice,) = answer["choices"]
    assert (len(choice["message"].get("tool_calls", [])), choice["finish_reason"]) == (calls, reason)
    assert not choice["message"]["content"]


async def test_without_tools_a_call_is_text(served: Served) -> None:
    served.llama.answers = [said(call("{}"))]
    for tools in ([], [TOOL]):
        _, answer = await post(served, tools=tools, tool_choice="none")
        assert answer["choices"][0]["message"]["content"] == call("{}")


async def test_thoughts_are_no_content() -> None:
    async with serving(trained(FAMILIES["Qwen3"])) as served:
        served.llama.answers = [said("<think>\nHm. <b>\n</think>\n\nFine. \n")]
        _, answer = await post(served)
        message = answer["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("\nHm. <b>", "Fine. \n")
        assert 0 < answer["usage"]["completion_tokens_details"]["reasoning_tokens"] < 8
        served.llama.answers = [said("<think>\n\n</think>\n\nFine.")]
        _, answer = await post(served)
        assert answer["choices"][0]["message"] == {
            "role": "assistant",
            "content": "Fine.",
            "refusal": None,
            "annotations": [],
        }


async def test_thoughts_that_the_prompt_has_begun() -> None:
    async with serving(trained(FAMILIES["DeepSeek R1"])) as served:
        served.llama.answers = [said("Hm.\n</think>\n\nFine.")]
        _, answer = await post(served)
        message = answer["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("Hm.", "Fine.")


async def test_log_probabilities(served: Served) -> None:
    served.llama.answers = [[Said("Hé", token=5), Said("", token=6), Said("llo", token=7), Said("", token=0)]]
    _, answer = await post(served, logprobs=True, top_logprobs=2)
    content = answer["choices"][0]["logprobs"]["content"]
    # What belongs to no text, the token at the end, is not told.
    assert [one["token"] for one in content] == ["Hé", "", "llo"]
    assert content[0] == {
        "token": "Hé",
        "logprob": -0.5,
        "bytes": [72, 195, 169],
        "top_logprobs": [
            {"token": "Hé", "logprob": -0.5, "bytes": [72, 195, 169]},
            {"token": "Hé", "logprob": -2.5, "bytes": [72, 195, 169]},
        ],
    }
    assert served.llama.asked[0]["n_probs"] == 2
    _, answer = await post(served, logprobs=True)
    assert [one["top_logprobs"] for one in answer["choices"][0]["logprobs"]["content"]] == [[]] * 3
    streamed = [chunk["choices"][0]["logprobs"] for chunk in await chunks(served, logprobs=True)]
    assert [one["token"] for told in streamed if told for one in told["content"]] == ["Hé", "", "llo"]


async def test_tokens_in_the_middle_of_a_character_are_told(served: Served) -> None:
    served.llama.answers = [[Said("a", token=9), Said(" ☃!", token=8, tokens=3)]]
    served.llama.likeliest = [(4, b"x"), (5, b" \xe2"), (6, b"\x98")]
    _, answer = await post(served, logprobs=True)
    content = answer["choices"][0]["logprobs"]["content"]
    assert [(one["token"], bytes(one["bytes"]), one["logprob"]) for one in content] == [
        ("a", b"a", -0.5),
        ("", b" \xe2", -1.0),
        ("", b"\x98", -1.0),
        (" ☃!", b"\x83!", -0.5),
    ]
    # They are looked for where they stand.
    prompt, *places = [asked["prompt"] for asked in served.llama.asked]
    assert places == [[*prompt[0], 9], [*prompt[0], 9, 5]]
    assert answer["usage"]["completion_tokens"] == 4


async def test_a_very_unlikely_token_has_openais_number(served: Served) -> None:
    served.llama.answers = [[Said("☃", token=8, tokens=2)]]
    _, answer = await post(served, logprobs=True)
    content = answer["choices"][0]["logprobs"]["content"]
    assert [(one["token"], one["logprob"]) for one in content] == [("", -9999.0), ("☃", -0.5)]


async def test_what_is_refused_or_fails_is_said_as_openai_says_it(served: Served) -> None:
    status, answer = await post(served, temperature=3)
    assert (status, answer["error"]["param"]) == (400, "temperature")
    status, answer = await post(served, stream=True, messages=[])
    assert (status, answer["error"]["param"]) == (400, "messages")
    async with served.client.post(CHAT, data=b"{broken") as response:
        assert (response.status, set((await response.json())["error"])) == (400, {"message", "type", "param", "code"})
    served.llama.status = 400
    assert (await post(served))[1]["error"]["message"] == "no room"
    served.llama.status = 500
    status, answer = await post(served, stream=True)
    assert (status, answer["error"]["message"]) == (502, "no room")


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
async def test_too_long_a_prompt(path: str) -> None:
    async with serving(trained(FAMILIES["Phi-3"]), context=64) as served:
        long = "x" * 64
        status, answer = await post(served, path, messages=[{"role": "user", "content": long}], prompt=long)
    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert answer["error"]["message"].startswith("This model's maximum context length is 64 tokens. However, your ")
    assert answer["error"]["param"] == ("messages" if path == CHAT else "prompt")


async def test_an_answer_that_breaks_off(served: Served) -> None:
    served.llama.breaks_after = 2
    assert (await post(served))[0] == 502
    async with served.client.post(CHAT, json={**ASK, "stream": True}) as response:
        text = await response.text()
    assert '"content":"lo"' in text and "out of memory" in text and "[DONE]" not in text


@pytest.mark.parametrize("stream", [False, True])
async def test_who_hangs_up_frees_the_slot(served: Served, stream: bool) -> None:
    served.llama.answers, served.llama.pause = [HELLO * 100], 0.02
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(served, stream=stream)
    await _until(lambda: served.llama.hung_up)


async def _until(condition: Any) -> None:
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


async def test_completions(served: Served) -> None:
    _, answer = await post(served, COMPLETIONS, prompt="Say", max_tokens=3)
    assert answer.pop("id").startswith("cmpl-") and answer.pop("created") > 1e9
    choice = {"text": "Hello!", "index": 0, "logprobs": None, "finish_reason": "stop"}
    assert answer["choices"] == [choice] and answer["object"] == "text_completion"
    assert served.llama.asked[0]["prompt"] == [list(b"Say")] or len(served.llama.asked[0]["prompt"][0]) == 3
    assert answer["usage"]["total_tokens"] == 6


async def test_several_completions_of_several_prompts(served: Served) -> None:
    served.llama.answers = [[Said("a", 0), Said("b", 1), Said("c", 2), Said("d", 3)], [Said("e", 0), Said("f", 1)]]
    _, answer = await post(served, COMPLETIONS, prompt=["x", [1, 2]], n=3, echo=True)
    assert [choice["text"][-1] for choice in answer["choices"]] == ["a", "b", "e", "c", "d", "f"]
    assert answer["choices"][0]["text"] == "xa"


async def test_the_best_completion(served: Served) -> None:
    served.llama.answers = [[Said("a", 0), Said("b", 1)]]
    _, answer = await post(served, COMPLETIONS, prompt="x", best_of=2)
    assert len(answer["choices"]) == 1 and answer["choices"][0]["logprobs"] is None
    assert answer["usage"]["completion_tokens"] == 2


async def test_a_stream_of_completions(served: Served) -> None:
    got = await chunks(served, COMPLETIONS, prompt="x", stream_options={"include_usage": True}, logprobs=1)
    assert [chunk["choices"][0]["text"] for chunk in got[:-1]] == ["Hel", "lo", "!", ""]
    assert [chunk["choices"][0]["finish_reason"] for chunk in got[:-1]] == [None] * 3 + ["stop"]
    assert got[1]["choices"][0]["logprobs"] == {
        "tokens": ["lo"],
        "token_logprobs": [-0.5],
        "top_logprobs": [{"lo": -0.5}],
        "text_offset": [4],
    }
    assert got[-1]["usage"]["completion_tokens"] == 3


async def test_the_official_client_checks_every_answer(served: Served) -> None:
    client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="x", _strict_response_validation=True)
    messages: Any = ASK["messages"]
    async with client:
        answer = await client.chat.completions.create(model="m", messages=messages, logprobs=True, top_logprobs=1)
        assert answer.choices[0].message.content == "Hello!"
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True, logprobs=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hello!"
        completion = await client.completions.create(model="m", prompt="x", logprobs=1)
        assert completion.choices[0].text == "Hello!"


async def test_other_routes_are_llama_cpps_own(served: Served) -> None:
    async with served.client.post("/completion", json={"prompt": [1]}) as response:
        assert "completion_probabilities" in await response.json()
    async with served.client.get("/nothing") as response:
        assert response.status == 404
