"""Prompts behind a real server and a real model, through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.server import KEY, Server

MODEL = "smollm2-135m-instruct"
PROMPT: Any = {
    "name": "capital",
    "model": MODEL,
    "messages": [
        {"role": "system", "content": "You name the capital of a country in {{continent}}, in one word."},
        {"role": "user", "content": "France"},
        {"role": "assistant", "content": "Paris"},
        {"role": "user", "content": "{{input}}"},
    ],
    "parameters": {"temperature": 0, "seed": 1, "max_tokens": 8},
}
VARIABLES: Any = {"continent": "Europe", "input": "Italy"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Server]:
    environ = {"TUNELOOP_CONTEXT": "512", "TUNELOOP_SLOTS": "1", "TUNELOOP_THREADS": "1"}
    with Server(tmp_path_factory.mktemp("home"), smollm2.parent, **environ) as started:
        started.client.call("POST", "/prompts", PROMPT)
        yield started


@pytest.fixture
def strict(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key=KEY, max_retries=0, _strict_response_validation=True) as client:
        yield client


def test_a_prompt_answers_as_the_call_that_it_stands_for(server: Server, strict: openai.OpenAI) -> None:
    request: Any = server.client.call("POST", "/prompts/capital/render", {"variables": VARIABLES})["request"]
    plain = strict.chat.completions.create(**request)
    named: Any = {"prompt": {"id": "capital", "variables": VARIABLES}}
    # The model is the prompt's: an empty one is none.
    whole = strict.chat.completions.create(model="", messages=[], extra_body=named)
    assert whole.choices[0].message.content == plain.choices[0].message.content
    assert whole.usage and plain.usage and whole.usage.prompt_tokens == plain.usage.prompt_tokens
    asked: Any = [{"role": "user", "content": "Italy"}]
    named = {"prompt": {"name": "capital@1", "variables": {"continent": "Europe"}}}
    with strict.chat.completions.create(model=MODEL, messages=asked, extra_body=named, stream=True) as stream:
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert said == plain.choices[0].message.content
    logs = server.client.call("GET", "/logs?where=prompt%20%3D%20capital%401")["data"]
    assert len(logs) == 2 and all(log["request"]["messages"] == request["messages"] for log in logs)
    assert "capital@1" in server.run("prompts", "of", whole.id)


def test_responses_with_a_prompt_go_on(server: Server, strict: openai.OpenAI) -> None:
    first = strict.responses.create(prompt={"id": "capital", "version": "1", "variables": VARIABLES})
    assert first.model == MODEL and first.temperature == 0 and first.max_output_tokens == 8
    request: Any = server.client.call("POST", "/prompts/capital/render", {"variables": VARIABLES})["request"]
    assert first.output_text == strict.chat.completions.create(**request).choices[0].message.content
    second = strict.responses.create(model=MODEL, input="And Spain?", previous_response_id=first.id)
    items = strict.responses.input_items.list(second.id, order="asc").data
    assert "Europe" in items[0].to_json() and "Italy" in items[3].to_json()


def test_what_is_wrong_is_openais_error(strict: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="needs a value for 'continent'") as missing:
        strict.chat.completions.create(model=MODEL, messages=[], extra_body={"prompt": {"id": "capital"}})
    assert missing.value.param == "prompt.variables.continent"
    with pytest.raises(openai.NotFoundError, match="no prompt 'nobody'"):
        strict.responses.create(model=MODEL, prompt={"id": "nobody"}, input="Hi")
    with pytest.raises(openai.BadRequestError, match="names none that is kept here"):
        strict.responses.create(model=MODEL, prompt={"id": "pmpt_0123"}, input="Hi")
