"""Embeddings, responses and stored completions of a real model behind a real server, through the official client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
import torch
from pydantic import BaseModel
from safetensors.torch import save_file

from tests.acceptance.server import KEY, Server
from tuneloop.store import Database
from tuneloop.store.deployments import DeploymentTable
from tuneloop.store.nouns import NounTable
from tuneloop.store.schema import models
from tuneloop.training.export import export_adapter
from tuneloop.types import Model

BASE = "smollm2-135m-instruct"
TUNED = "ft:smollm2-135m-instruct:local:test:12345678"
CONTEXT = 512


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    settings = {"CONTEXT": str(CONTEXT), "SLOTS": "4", "ENGINES": "2", "THREADS": "1"}
    environ = {f"TUNELOOP_{name}": value for name, value in settings.items()}
    with Server(home, smollm2.parent, **environ) as started:
        _register(home, _adapter(home / "adapter", smollm2))
        yield started


@pytest.fixture
def strict(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True) as client:
        yield client


def _adapter(folder: Path, base: Path) -> Path:
    """A random adapter on one layer of the base."""
    folder.mkdir()
    torch.manual_seed(1)
    weights = {
        f"base_model.model.model.layers.29.mlp.down_proj.lora_{which}.weight": torch.randn(shape) / 4
        for which, shape in (("A", (4, 1536)), ("B", (576, 4)))
    }
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    export_adapter(folder, base)
    return folder


def _register(home: Path, adapter: Path) -> None:
    database = Database(f"sqlite:///{home / 'tuneloop.db'}")
    tuned = Model(id=TUNED, created_at=1.0, kind="tuned", base=BASE, owned_by="local", adapter=str(adapter))
    NounTable(database, models, Model, "model", timed=False).add(tuned)
    DeploymentTable(database).touch()
    database.close()


def _embed(client: openai.OpenAI, given: Any, model: str = BASE, **fields: Any) -> list[list[float]]:
    # The client that is strict knows numbers only, though what it asks for unasked is base64.
    answer = client.embeddings.create(model=model, input=given, **{"encoding_format": "float", **fields})
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    assert answer.model == model and answer.object == "list"
    return [item.embedding for item in answer.data]


def _alike(a: list[float], b: list[float]) -> float:
    return math.fsum(x * y for x, y in zip(a, b, strict=True))


def test_sentences_that_mean_the_same_are_closer(strict: openai.OpenAI) -> None:
    pairs = [
        ("The cat sits on the mat.", "A kitten is sitting on a rug."),
        ("Revenue grew by four percent in the third quarter.", "Sales rose 4% between July and September."),
        ("Bake the bread for forty minutes.", "Leave the loaf in the oven until it is golden."),
    ]
    vectors = _embed(strict, [sentence for pair in pairs for sentence in pair])
    for number, vector in enumerate(vectors):
        assert _alike(vector, vector) == pytest.approx(1, abs=1e-5)
        others = [_alike(vector, other) for n, other in enumerate(vectors) if n // 2 != number // 2]
        assert _alike(vector, vectors[number ^ 1]) > max(others)


def test_each_input_has_the_vector_that_it_has_alone(strict: openai.OpenAI) -> None:
    texts = ["one", "two and a bit more", "three", "one"]
    many = _embed(strict, texts)
    for text, vector in zip(texts, many, strict=True):
        assert _alike(_embed(strict, text)[0], vector) > 0.999
    assert _alike(many[0], many[3]) > 0.9999 > _alike(many[0], many[1])


def test_encodings_and_dimensions(server: Server, strict: openai.OpenAI) -> None:
    encoded = server.openai.embeddings.create(model=BASE, input="Hello").data[0].embedding
    (plain,) = _embed(strict, "Hello")
    assert len(plain) == 576 and encoded == pytest.approx(plain, abs=1e-6)
    (cut,) = _embed(strict, "Hello", dimensions=64)
    length = math.sqrt(_alike(plain[:64], plain[:64]))
    assert cut == pytest.approx([x / length for x in plain[:64]], abs=1e-4)
    with pytest.raises(openai.BadRequestError) as caught:
        _embed(strict, "Hello", dimensions=577)
    assert caught.value.param == "dimensions"


def test_token_ids_and_usage(strict: openai.OpenAI) -> None:
    answer = strict.embeddings.create(model=BASE, input=[[1, 2, 3], [4, 5]], user="ann", encoding_format="float")
    assert (len(answer.data), answer.usage.prompt_tokens, answer.usage.total_tokens) == (2, 5, 5)
    (alone,) = _embed(strict, [4, 5])
    assert _alike(alone, answer.data[1].embedding) > 0.999
    with pytest.raises(openai.BadRequestError) as caught:
        _embed(strict, [[1], [10**6]])
    assert caught.value.param == "input"


@pytest.mark.parametrize("given", [[1] * (CONTEXT + 1), ["short", "long " * (CONTEXT + 1)]])
def test_too_long_an_input(strict: openai.OpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError, match=f"maximum context length is {CONTEXT} tokens") as caught:
        _embed(strict, given)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    _embed(strict, [1] * (CONTEXT - 1))


def test_many_calls_at_once(server: Server) -> None:
    texts = [f"sentence number {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        vectors = list(threads.map(lambda text: _embed(server.openai, text)[0], texts))
    for vector, expected in zip(vectors, _embed(server.openai, texts), strict=True):
        assert _alike(vector, expected) > 0.999


def test_a_tuned_model_has_vectors_of_its_own(strict: openai.OpenAI) -> None:
    (tuned,), (base,) = _embed(strict, "Hello there", TUNED), _embed(strict, "Hello there")
    assert _alike(tuned, tuned) == pytest.approx(1, abs=1e-5)
    assert _alike(tuned, base) < 0.999


def test_a_response_whole_and_streamed(strict: openai.OpenAI) -> None:
    asked: Any = {"model": BASE, "input": "Say hello.", "temperature": 0, "max_output_tokens": 12}
    whole = strict.responses.create(**asked)
    assert whole.output_text and whole.usage is not None and whole.usage.output_tokens <= 12
    events = list(strict.responses.create(**asked, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last: Any = events[-1]
    assert last.response.output_text == whole.output_text and last.response.status == whole.status
    assert last.response.usage.total_tokens == whole.usage.total_tokens
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text and len(deltas) > 2
    assert strict.responses.retrieve(last.response.id) == last.response


def test_a_conversation_of_responses(strict: openai.OpenAI) -> None:
    asked: Any = {"model": BASE, "temperature": 0, "max_output_tokens": 8}
    first = strict.responses.create(**asked, input="My name is Ann.", instructions="Be brief.")
    second = strict.responses.create(**asked, input="What is my name?", previous_response_id=first.id)
    assert first.usage is not None and second.usage is not None
    assert second.usage.input_tokens > first.usage.input_tokens
    items = strict.responses.input_items.list(second.id, order="asc").data
    assert [getattr(item, "role", None) for item in items] == ["user", "assistant", "user"]
    said: Any = [
        {"role": "user", "content": "My name is Ann."},
        first.output[0].to_dict(),
        {"role": "user", "content": "What is my name?"},
    ]
    again = strict.responses.create(**asked, input=said)
    assert (again.output_text, again.usage.input_tokens if again.usage else 0) == (
        second.output_text,
        second.usage.input_tokens,
    )


def test_a_schema_is_kept_to(strict: openai.OpenAI) -> None:
    class Answer(BaseModel):
        queue: Literal["billing", "returns"]
        urgent: bool

    response = strict.responses.parse(model=BASE, input="Where is my money?", text_format=Answer)
    assert isinstance(response.output_parsed, Answer)


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_is_called_and_answered(strict: openai.OpenAI, stream: bool) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
        "required": ["city"],
        "additionalProperties": False,
    }
    tools: Any = [{"type": "function", "name": "weather", "parameters": parameters, "strict": True}]
    asked: Any = {"model": BASE, "input": "How warm is Oslo?", "tools": tools, "tool_choice": "required"}
    if stream:
        *_, last = strict.responses.create(**asked, stream=True)
        assert last.type == "response.completed"
        response = last.response
    else:
        response = strict.responses.create(**asked)
    (call, *_rest) = response.output
    assert call.type == "function_call" and call.name == "weather"
    assert json.loads(call.arguments)["city"] in ("Oslo", "Rome")
    results: Any = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "12 degrees"}
        for item in response.output
        if item.type == "function_call"
    ]
    said = strict.responses.create(
        model=BASE,
        previous_response_id=response.id,
        input=results,
        tools=tools,
        tool_choice="none",
        max_output_tokens=8,
    )
    assert said.output[0].type == "message"


def test_too_long_a_response(strict: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length") as caught:
        strict.responses.create(model=BASE, input="long " * 2 * CONTEXT)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


@pytest.mark.parametrize("stream", [False, True])
def test_a_stored_completion(strict: openai.OpenAI, stream: bool) -> None:
    asked: Any = {"model": BASE, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "temperature": 0}
    metadata = {"test": "stored", "stream": str(stream)}
    answer: Any = strict.chat.completions.create(**asked, store=True, metadata=metadata, stream=stream)
    text = (
        "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        if stream
        else answer.choices[0].message.content
    )
    strict.chat.completions.create(**asked, metadata=metadata)
    (found,) = strict.chat.completions.list(metadata=metadata)
    assert found.choices[0].message.content == text and found.metadata == metadata
    assert found.usage is not None and found.usage.completion_tokens == 5
    assert strict.chat.completions.delete(found.id).deleted
    with pytest.raises(openai.NotFoundError):
        strict.chat.completions.retrieve(found.id)
