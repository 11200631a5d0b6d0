"""A tuned model is served with the template it was trained with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chat_templates import FAMILIES, QWEN3
from tests.tiny import write_tiny_model
from tuneloop.chat import Chat, load_chat
from tuneloop.chat_templates import read_template, served_template
from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.errors import InvalidInput
from tuneloop.settings import Settings
from tuneloop.training.records import EventLog
from tuneloop.training.run import train
from tuneloop.types import Message, Model

SYSTEM: Message = {"role": "system", "content": "Be brief."}
ASK: Message = {"role": "user", "content": " How  are you?\n\n é☃ 123 "}
SAY: Message = {"role": "assistant", "content": " Fine. \n"}
THINK: Message = {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nFine."}
FUNCTION = {"name": "lookup", "arguments": '{"city": "Köln", "days": [1, 2.5, null], "exact": true}'}
CALLING: Message = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "call_0123456789", "type": "function", "function": FUNCTION}],
}
RESULT: Message = {"role": "tool", "tool_call_id": "call_0123456789", "content": '{"rain": 3}'}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string", "description": "in <Germany>"}}}
TOOL = {"type": "function", "function": {"strict": True, "name": "lookup", "parameters": PARAMETERS}}
PARTS = [{"type": "text", "text": " a "}, {"type": "text", "text": "b"}]

CHATS: dict[str, list[Message]] = {
    "a question": [ASK],
    "a system message": [SYSTEM, ASK],
    "several turns": [SYSTEM, ASK, SAY, ASK],
    "thoughts": [ASK, THINK, ASK],
    "content in parts": [{"role": "system", "content": PARTS}, {"role": "user", "content": PARTS}],
    "reasoning beside the content": [ASK, SAY | {"reasoning_content": "Hm."}, ASK],
}
CALLS: dict[str, list[Message]] = {
    "tools": [SYSTEM, ASK],
    "a call": [SYSTEM, ASK, CALLING, RESULT],
    "two turns of calls": [ASK, CALLING, RESULT, SAY, ASK, CALLING, RESULT],
}
#: one whose thoughts are kept, one whose system message is moved, one that knows neither system message nor tools
SOME = ("Qwen3", "Mistral", "Gemma")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[LlamaCppEngine]:
    settings = Settings(home=tmp_path, database_url="", engines=1, slots=1, context=1024, threads=1)
    made = LlamaCppEngine(settings, lambda base: tmp_path / "none")
    yield made
    await made.close()


def _tuned(folder: Path, smollm2: Path, source: str) -> tuple[Path, Model]:
    """The folder of a base with the template `source`, and a model tuned on it."""
    base, tuned = folder / "base", folder / "tuned"
    for made in (base, tuned):
        made.mkdir()
        for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
            (made / name).symlink_to(smollm2 / name)
    (base / "chat_template.jinja").write_text(source)
    (tuned / "model.gguf").symlink_to(smollm2 / "model.gguf")
    (tuned / "chat_template.jinja").write_text(read_template(base).source)
    return base, Model(id="ft:x", created_at=0.0, kind="tuned", base="x", adapter=str(tuned), owned_by="test")


async def _post(engine: LlamaCppEngine, model: Model, path: str, **body: Any) -> Any:
    endpoint = await engine.endpoint(model)
    url = endpoint.base_url.removesuffix("/v1") + path
    async with aiohttp.ClientSession() as client, client.post(url, json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


@pytest.mark.parametrize("family", SOME)
async def test_the_same_prompts(family: str, engine: LlamaCppEngine, smollm2: Path, tmp_path: Path) -> None:
    base, model = _tuned(tmp_path, smollm2, FAMILIES[family])
    asked: list[tuple[list[Message], list[Any]]] = [
        *((one, []) for one in CHATS.values()),
        *((one, [TOOL]) for one in CALLS.values()),
    ]
    served = []
    for messages, tools in asked:
        answer = await _post(engine, model, "/v1/chat/completions", messages=messages, tools=tools, max_tokens=1)
        served.append(answer["usage"]["prompt_tokens"])
    assert served == _lengths(load_chat(base), asked)
    # With the base's own template it is another prompt, or none.
    assert served != _lengths(load_chat(base, served_template(base, None)), asked)


def _lengths(chat: Chat, asked: list[tuple[list[Message], list[Any]]]) -> list[int]:
    lengths = []
    for messages, tools in asked:
        try:
            lengths.append(len(chat.prompt_ids(messages, tools)))
        except InvalidInput:
            lengths.append(0)
    return lengths


async def test_thoughts_do_not_get_into_the_answer(engine: LlamaCppEngine, smollm2: Path, tmp_path: Path) -> None:
    _, model = _tuned(tmp_path, smollm2, QWEN3)
    for said in ("<think>\n\n</think>\n\nFine.", "<think>\nHm.\n</think>\n\nFine."):
        grammar = f"root ::= {json.dumps(said)}"
        answer = await _post(engine, model, "/v1/chat/completions", messages=[ASK], grammar=grammar)
        assert answer["choices"][0]["message"]["content"] == "Fine."


def test_a_run_leaves_the_template_with_the_adapter_and_says_what_cannot_be_learnt(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    source = (
        "{% for m in messages %}{{ m.content if loop.last or m.role != 'assistant' else '' }}<|im_end|>{% endfor %}"
    )
    (model / "chat_template.jinja").write_text("{{ strftime_now('%Y') }}" + source)
    rows = [json.dumps({"messages": [ASK, SAY | {"weight": 0}, ASK, SAY]})] * 10
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    spec = {"model": str(model), "training_file": str(tmp_path / "train.jsonl"), "n_epochs": 1, "threads": 1}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    train(tmp_path, EventLog(tmp_path / "events.jsonl"), lambda: False)
    assert (tmp_path / "adapter" / "chat_template.jinja").read_text() == '{{ "2024" }}' + source
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    warnings = [event["message"] for event in events if event["level"] == "warn"]
    assert any(text.startswith("Cannot be learnt with this model: Several answers: ") for text in warnings)
