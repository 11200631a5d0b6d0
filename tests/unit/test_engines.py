"""Engines without a model: where upstreams are, and how llama.cpp's answers become OpenAI's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from tuneloop.engines.llama_cpp import LlamaCppEngine
from tuneloop.engines.llama_cpp_dialect import LlamaCppDialect
from tuneloop.engines.upstream import UpstreamEngine
from tuneloop.errors import EngineUnavailable
from tuneloop.settings import Settings, Upstream
from tuneloop.types import Model

MODEL = Model(id="m", created_at=0.0, kind="base", base="m", owned_by="test")


async def test_an_upstreams_endpoint_has_its_key_from_the_environment() -> None:
    upstream = Upstream(name="somewhere", base_url="https://example.org/v1", api_key_env="SOME_KEY")
    endpoint = await UpstreamEngine(upstream, {"SOME_KEY": "secret"}).endpoint(MODEL)
    assert (endpoint.base_url, endpoint.api_key) == ("https://example.org/v1", "secret")
    assert (endpoint.model, endpoint.provider) == ("m", "somewhere")
    assert (await UpstreamEngine(upstream, {}).endpoint(MODEL)).api_key is None


def test_a_whole_answer_has_the_callers_name_and_no_timings() -> None:
    body = orjson.dumps({"model": "file.gguf", "choices": [], "timings": {"prompt_n": 1}})
    answer = LlamaCppDialect().answer({"model": "alias"}, 200, body)
    assert orjson.loads(answer) == {"model": "alias", "choices": []}


def test_usage_is_asked_for_in_streams_and_kept_from_those_who_did_not() -> None:
    dialect = LlamaCppDialect()
    plain = {"model": "m", "stream": True}
    wanting = {**plain, "stream_options": {"include_usage": True}}
    assert orjson.loads(dialect.request(plain, b""))["stream_options"] == {"include_usage": True}
    assert dialect.request(wanting, b"raw") == b"raw"
    assert dialect.request({"model": "m"}, b"raw") == b"raw"
    usage = orjson.dumps({"model": "m", "choices": [], "usage": {"prompt_tokens": 1}})
    assert dialect.event(plain, usage) is None
    assert dialect.event(wanting, usage) == usage


def test_the_first_delta_has_an_empty_text() -> None:
    chunk = {"model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}
    event = LlamaCppDialect().event({"model": "alias"}, orjson.dumps(chunk))
    assert event is not None
    assert orjson.loads(event)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert LlamaCppDialect().event({"model": "alias"}, b"[DONE]") == b"[DONE]"


@pytest.mark.parametrize(
    ("status", "said", "error"),
    [
        (
            400,
            {"code": 400, "type": "exceed_context_size_error", "message": "…", "n_prompt_tokens": 99, "n_ctx": 64},
            ("invalid_request_error", "messages", "context_length_exceeded"),
        ),
        (400, {"message": "Field 'temperature': must be number"}, ("invalid_request_error", "temperature", None)),
        (500, {"message": "out of memory"}, ("server_error", None, None)),
    ],
)
def test_errors_become_openais(status: int, said: dict[str, object], error: tuple[str, str | None, str | None]) -> None:
    answer = orjson.loads(LlamaCppDialect().answer({"model": "m"}, status, orjson.dumps({"error": said})))["error"]
    assert (answer["type"], answer["param"], answer["code"]) == error
    if answer["code"]:
        assert answer["message"].startswith("This model's maximum context length is 64 tokens.")


def test_an_answer_that_is_no_json_becomes_an_error() -> None:
    answer = orjson.loads(LlamaCppDialect().answer({"model": "m"}, 500, b"<html>"))
    assert answer["error"]["message"] == "<html>"


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    engine = LlamaCppEngine(Settings(home=tmp_path, database_url=""), lambda base: tmp_path / base / "model.gguf")
    with pytest.raises(EngineUnavailable, match=r"model\.gguf is missing"):
        await engine.endpoint(MODEL)
    nothing = replace(MODEL, kind="tuned", adapter=str(tmp_path / "adapter"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.gguf").touch()
    with pytest.raises(EngineUnavailable, match=r"adapter\.gguf is missing"):
        await engine.endpoint(replace(nothing, id="tuned"))
    await engine.close()
