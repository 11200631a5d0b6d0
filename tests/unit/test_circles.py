"""Answers that go round in circles: when they are noticed, and how they come to an end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.chat_templates import FAMILIES
from tests.unit.llama_fake import Said, Served, serving
from tests.unit.test_chat_templates import trained
from tuneloop.engines.local.circles import CircleWatch

CHAT = "/v1/chat/completions"
LONG = "A sentence that is as long as sentences are, with a comma. "


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        ('{"a": "' + "1234567890" * 5, True),
        ('{"a": "' + "a" * 48, True),
        ('{"a": "Well. ' + LONG * 4, True),
        ('{"a": "' + "ab\\n" * 20, True),
        ('{"a": ' + "3" * 41, True),
        ('{"a": 0.' + "3" * 41, True),
        ('{"a": 1' + "\n" * 41, True),
        ('{"a": "' + LONG * 3, False),
        ('{"a": "' + "-" * 100, False),
        ('{"a": "' + "ha " * 12, False),
        ('{"a": "' + "".join(map(str, range(100))), False),
        ("[" + '"ok", ' * 50, False),
        ("[" + "0, " * 50, False),
        ('{"a": "' + "x" * 30 + '", "b": "' + "x" * 30, False),
        ('{\n        "a": 1,\n        "b": 123456789012345678901234', False),
    ],
)
def test_circles_are_noticed(text: str, noticed: bool) -> None:
    watch = CircleWatch()
    found = [watch.feed(text[start : start + 3]) for start in range(0, len(text), 3)]
    assert any(found) == noticed and watch.text == text


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(trained(FAMILIES["Phi-3"]), slots=4) as started:
        tokens = json.loads(trained(FAMILIES["Phi-3"]).tokenizer_json)["model"]["vocab"]
        started.llama.likeliest = [(tokens[one], one.encode()) for one in ("x", "1", "}")]
        yield started


def _asked(schema: dict[str, Any], **fields: Any) -> dict[str, Any]:
    described = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": "m", "messages": messages, "response_format": described, **fields}


def _schema(first: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"a": first, "b": {"type": "integer", "maximum": 9, "minimum": 0}},
        "required": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("first", "circle", "value"),
    [
        ({"type": "string"}, '"' + "abcd" * 30, "abcd" * 12 + "a"),
        ({"type": "number"}, "0." + "3" * 90, float("0." + "3" * 44)),
    ],
)
async def test_the_rest_is_decoded_from_there(served: Served, first: Any, circle: str, value: Any) -> None:
    said = '{"a": ' + circle
    served.llama.answers = [[Said(said[start : start + 4]) for start in range(0, len(said), 4)]]
    served.llama.pause = 0.001
    async with served.client.post(CHAT, json=_asked(_schema(first))) as response:
        answer = await response.json()
    (choice,) = answer["choices"]
    assert json.loads(choice["message"]["content"]) == {"a": value, "b": 1}
    assert choice["finish_reason"] == "stop"
    begun, *rest = served.llama.asked
    # Each further token is asked for after those before it.
    assert [len(asked["prompt"]) for asked in rest] == [len(rest[0]["prompt"]) + step for step in range(len(rest))]
    assert rest[0]["prompt"][: len(begun["prompt"][0])] == begun["prompt"][0]


async def test_a_limit_is_a_limit(served: Served) -> None:
    served.llama.answers = [[Said('{"a": "'), *[Said("abcd")] * 30]]
    asked = _asked(_schema({"type": "string"}), max_tokens=20)
    async with served.client.post(CHAT, json=asked) as response:
        answer = await response.json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 20


async def test_others_go_on_meanwhile(served: Served) -> None:
    circle, fine = [Said('{"a": "', 1), *[Said("abcd", 1)] * 30], [Said('{"a": "y", ', 0), Said('"b": 2}', 0)]
    served.llama.answers = [[*circle[:15], fine[0], *circle[15:], fine[1]]]
    async with served.client.post(CHAT, json=_asked(_schema({"type": "string"}), n=2)) as response:
        choices = (await response.json())["choices"]
    values = [json.loads(choice["message"]["content"]) for choice in choices]
    assert values == [{"a": "y", "b": 2}, {"a": "abcd" * 12, "b": 1}]


async def test_what_has_no_way_out_goes_on(served: Served) -> None:
    said = '{"a": "' + "ab" * 30 + '", "b": 1}'
    served.llama.answers = [[Said(said[start : start + 5]) for start in range(0, len(said), 5)]]
    async with served.client.post(CHAT, json=_asked(_schema({"type": "string", "minLength": 60}))) as response:
        answer = await response.json()
    assert answer["choices"][0]["message"]["content"] == said and len(served.llama.asked) == 1


async def test_text_may_repeat_itself(served: Served) -> None:
    served.llama.answers = [[Said('"'), *[Said("abcd")] * 30]]
    async with served.client.post(CHAT, json={"model": "m", "messages": [{"role": "user", "content": "x"}]}) as reply:
        assert (await reply.json())["choices"][0]["message"]["content"] == '"' + "abcd" * 30
