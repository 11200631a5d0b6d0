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


def test_whole_answers_and_errors_pass_as_they_are() -> None:
    dialect = LlamaCppDialect()
    assert dialect.request({"model": "m"}, b"raw") == b"raw"
    assert dialect.answer({"model": "m"}, 200, b"raw") == b"raw"


def test_usage_is_asked_for_in_streams_and_kept_from_those_who_did_not() -> None:
    dialect = LlamaCppDialect()
    plain = {"model": "m", "stream": True}
    wanting = {**plain, "stream_options": {"include_usage": True}}
    for options in (None, {}, {"include_usage": False}):
        asked = orjson.loads(dialect.request({**plain, "stream_options": options}, b""))
        assert asked == {**plain, "stream_options": {"include_usage": True}}
    assert dialect.request(wanting, b"raw") == b"raw"
    assert dialect.request({**plain, "stream_options": 3}, b"raw") == b"raw"
    words = {"choices": [{"delta": {"content": "x"}}]}
    chunk, usage = (orjson.dumps({**one, "usage": two}) for one, two in ((words, None), ({"choices": []}, {"n": 1})))
    assert dialect.event(plain, chunk) == orjson.dumps(words)
    assert dialect.event(plain, usage) is None
    assert (dialect.event(wanting, chunk), dialect.event(wanting, usage)) == (chunk, usage)
    assert dialect.event(plain, b"[DONE]") == b"[DONE]"


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
