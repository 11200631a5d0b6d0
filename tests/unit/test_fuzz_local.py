"""What a request to a local model goes through before llama.cpp is asked: whatever it holds, it is read or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_fuzz import EXAMPLES, TEXTS, VALUES
from tuneloop.chat import Chat, load_chat
from tuneloop.engines.llama_cpp_dialect import LlamaCppDialect
from tuneloop.engines.local.chats import read_chat
from tuneloop.engines.local.completions import read_completion
from tuneloop.engines.local.embeddings import read_embedding
from tuneloop.engines.local.grammars import Grammars
from tuneloop.engines.responses import ResponsesDialect
from tuneloop.errors import TuneloopError
from tuneloop.protocols import Dialect

VOCABULARY = 49152
thorough = settings(
    max_examples=EXAMPLES * 20, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)

SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([{"type": "string"}, {"type": "integer"}, {"enum": ["a", 1, None]}, {"const": True}, {}, True])
    | st.dictionaries(st.sampled_from(["type", "enum", "$ref", "pattern", "format", "minimum", "required"]), VALUES),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", ["string", "null"], "thing"]),
            "properties": st.dictionaries(TEXTS, inner, max_size=3) | VALUES,
            "items": inner,
            "anyOf": st.lists(inner, max_size=2) | VALUES,
            "$defs": st.dictionaries(TEXTS, inner, max_size=2),
            "required": st.lists(TEXTS, max_size=2) | VALUES,
            "minItems": st.integers(-1, 3),
            "maxItems": st.integers(-1, 3),
        },
    ),
    max_leaves=5,
)
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "id": TEXTS,
            "type": st.just("function"),
            "function": st.fixed_dictionaries({"name": TEXTS, "arguments": TEXTS}),
        }
    )
    | VALUES,
    max_size=2,
)
PARTS = st.lists(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "input_text"]), "text": TEXTS}), min_size=1, max_size=2
)
ROLES = ["user", "assistant", "tool", "system", "developer", "function"]
GOOD_MESSAGES = st.builds(
    lambda role, content, extra: {"role": role, "content": content, **extra},
    st.sampled_from(ROLES),
    TEXTS | PARTS,
    st.just({"name": "n", "tool_call_id": "c"}),
)
ODD_MESSAGES = st.builds(
    lambda good, odd: {**good, **odd},
    GOOD_MESSAGES,
    st.dictionaries(st.sampled_from(["role", "content", "name", "tool_call_id", "tool_calls", "type"]), VALUES)
    | st.fixed_dictionaries({"tool_calls": CALLS})
    | st.fixed_dictionaries({"type": st.sampled_from(["function_call", "function_call_output", "item_reference"])}),
)
MESSAGES = st.lists(st.one_of(GOOD_MESSAGES, GOOD_MESSAGES, ODD_MESSAGES, VALUES), min_size=1, max_size=3)
FUNCTIONS = st.fixed_dictionaries(
    {"name": st.sampled_from(["f", "g"])},
    optional={"parameters": SCHEMAS, "description": TEXTS, "strict": st.booleans()},
)
TOOLS = st.lists(
    st.builds(lambda function: {"type": "function", "function": function, **function}, FUNCTIONS), max_size=2
)
FORMATS = st.builds(
    lambda kind, schema: {"type": kind, "name": "x", "schema": schema, "json_schema": {"name": "x", "schema": schema}},
    st.sampled_from(["json_schema", "json_object", "text"]),
    SCHEMAS,
)
CHOICES = st.sampled_from(["none", "auto", "required", {"type": "function", "name": "f", "function": {"name": "f"}}])
NUMBERS = st.integers(-(2**65), 2**65) | st.floats(allow_nan=False)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "input": TEXTS | MESSAGES | st.lists(TEXTS, min_size=1) | st.lists(st.integers(0, 9), min_size=1),
    "prompt": TEXTS | st.lists(TEXTS, min_size=1) | st.lists(st.integers(0, 9), min_size=1),
    "tools": TOOLS,
    "functions": st.lists(FUNCTIONS, max_size=2),
    "tool_choice": CHOICES,
    "function_call": st.sampled_from(["none", "auto", {"name": "f"}]),
    "response_format": FORMATS,
    "text": st.fixed_dictionaries({"format": FORMATS}),
    "stop": TEXTS | st.lists(TEXTS, max_size=4),
    "logit_bias": st.dictionaries(st.integers(0, 100).map(str), st.floats(-100, 100), max_size=2),
    "stream_options": st.just({"include_usage": True}),
    "instructions": TEXTS,
    "previous_response_id": TEXTS,
    "n": st.integers(1, 128),
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "max_tokens": st.integers(1, 2**40),
    "dimensions": st.integers(1, 99),
    "stream": st.booleans(),
    "echo": st.booleans(),
    "parallel_tool_calls": st.booleans(),
}
NAMES = [*GOOD, "messages", "model", "top_logprobs", "logprobs", "modalities", "store", "suffix", "best_of", "include"]
#: a request that could be answered, with a field or two that could not
REQUESTS = st.builds(
    lambda good, odd: {"model": "smollm2-135m-instruct", **good, **odd},
    st.fixed_dictionaries({"messages": MESSAGES}, optional=GOOD),
    st.just({}) | st.dictionaries(st.sampled_from(NAMES), NUMBERS | VALUES, max_size=2),
)


@pytest.fixture(scope="module")
def chat(smollm2: Path) -> Chat:
    return load_chat(smollm2)


@thorough
@given(body=REQUESTS)
def test_chats(chat: Chat, body: dict[str, Any]) -> None:
    grammars = Grammars(chat.calls, chat.special_tokens, "none")
    try:
        asked = read_chat(_sent(body), VOCABULARY)
        prompt = chat.prompt_ids(asked.messages, asked.use.tools)
        grammars.write(asked.use, asked.schema)
    except TuneloopError as error:
        assert error.status in (400, 404) and error.message
        return
    orjson.dumps(asked.sampling.asked_of_llama(prompt, 4096))


@thorough
@given(body=REQUESTS)
def test_completions(chat: Chat, body: dict[str, Any]) -> None:
    try:
        asked = read_completion(_sent(body), VOCABULARY)
    except TuneloopError as error:
        assert error.status == 400 and error.param
        return
    for prompt in asked.prompts:
        assert chat.text_ids(prompt) is not None if isinstance(prompt, str) else chat.decode(prompt) is not None


@thorough
@given(body=REQUESTS)
def test_embeddings(chat: Chat, body: dict[str, Any]) -> None:
    try:
        asked = read_embedding(_sent(body), VOCABULARY)
    except TuneloopError as error:
        assert error.status == 400 and error.param
        return
    for text in asked.inputs:
        assert len(chat.text_ids(text) if isinstance(text, str) else text)


class _Forgetful:
    """Knows no response."""

    def conversation(self, response_id: str) -> list[Mapping[str, Any]]:
        return [{"type": "message", "role": "user", "content": "before"}]

    def item(self, item_id: str) -> Mapping[str, Any]:
        return {"type": "message", "role": "user", "content": "an item"}


DIALECTS = [LlamaCppDialect(), ResponsesDialect(_Forgetful())]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: type(dialect).__name__)
def test_dialects(dialect: Dialect) -> None:
    @thorough
    @given(body=REQUESTS)
    def translate(body: dict[str, Any]) -> None:
        asked = _sent(body)
        try:
            orjson.loads(dialect.request(asked, orjson.dumps(asked)))
        except TuneloopError as error:
            assert error.status in (400, 404) and error.message

    translate()


def _sent(body: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of a request."""
    sent: dict[str, Any] = orjson.loads(orjson.dumps(_within(body)))
    return sent


def _within(value: Any) -> Any:
    """orjson writes no whole numbers of more than 64 bits, and reads them as others."""
    if isinstance(value, dict):
        return {key: _within(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_within(inner) for inner in value]
    large = isinstance(value, int) and not -(2**63) <= value < 2**64
    return float(value) if large else value
