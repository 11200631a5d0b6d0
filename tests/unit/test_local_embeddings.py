"""What is asked of llama.cpp for embeddings, and what is made of its vectors."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest

from tests.chat_templates import FAMILIES
from tests.unit.test_chat_templates import trained
from tuneloop.engines.local.embeddings import AFTER, BEFORE, EmbeddingAnswer
from tuneloop.engines.local.generation import Llama
from tuneloop.engines.local.model import Model
from tuneloop.errors import ContextTooLong, InvalidInput
from tuneloop.types import Json

CHAT = trained(FAMILIES["Phi-3"])
#: a vector of length 1
VECTOR = [0.5, -0.5, 0.5, -0.5]


@dataclass(frozen=True, kw_only=True)
class _Llama(Llama):
    """Gives the same vector for everything, the last first, and remembers what it was asked."""

    asked: list[Mapping[str, Any]] = field(default_factory=list)

    async def ask(self, path: str, body: Mapping[str, Any]) -> Json:
        assert path == "/v1/embeddings" and body["encoding_format"] == "base64"
        self.asked.append(body)
        data = [{"index": number, "embedding": _encoded(VECTOR)} for number in range(len(body["input"]))]
        return {"data": data[::-1]}


def _encoded(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector)).decode()


@pytest.fixture
def llama() -> _Llama:
    return _Llama(session=cast(aiohttp.ClientSession, None), url="", slots=1, context=100)


async def _answer(llama: _Llama, given: Any, most: int = 50, **fields: Any) -> dict[str, Any]:
    model = Model(chat=CHAT, llama=llama, vocabulary=256, fingerprint="")
    answer = EmbeddingAnswer(model, {"model": "m", "input": given, **fields}, most)
    return answer.whole([chunk async for chunk in answer.chunks()])


def _around(ids: list[int]) -> list[int]:
    begin = len(CHAT.text_ids(""))
    return [*CHAT.text_ids(BEFORE), *ids, *CHAT.text_ids(AFTER)[begin:]]


def _ids(text: str) -> list[int]:
    return CHAT.text_ids(text)[len(CHAT.text_ids("")) :]


async def test_each_input_is_asked_for_its_meaning(llama: _Llama) -> None:
    answer = await _answer(llama, ["ab", "c"], user="ann", dimensions=None)
    assert llama.asked[0]["input"] == [_around(_ids("ab")), _around(_ids("c"))]
    used = len(_ids("ab")) + len(_ids("c"))
    assert answer == {
        "object": "list",
        "model": "m",
        "usage": {"prompt_tokens": used, "total_tokens": used},
        "data": [{"object": "embedding", "index": number, "embedding": VECTOR} for number in range(2)],
    }


@pytest.mark.parametrize(
    ("given", "ids"), [("a", [_ids("a")]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]]), ([0], [[0]])]
)
async def test_every_kind_of_input(llama: _Llama, given: Any, ids: list[list[int]]) -> None:
    answer = await _answer(llama, given)
    assert llama.asked[0]["input"] == [_around(one) for one in ids]
    assert answer["usage"]["prompt_tokens"] == sum(map(len, ids))


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
@pytest.mark.parametrize("dimensions", [None, 2, 4])
async def test_encodings_and_dimensions(llama: _Llama, encoding: str | None, dimensions: int | None) -> None:
    answer = await _answer(llama, "a", encoding_format=encoding, dimensions=dimensions)
    vector = answer["data"][0]["embedding"]
    numbers = array("f", base64.b64decode(vector)).tolist() if encoding == "base64" else vector
    expected = [math.sqrt(0.5), -math.sqrt(0.5)] if dimensions == 2 else VECTOR
    assert numbers == pytest.approx(expected)


@pytest.mark.parametrize("given", ["a" * 51, [1] * 51, ["a", "a" * 51], [[1], [1] * 51]])
async def test_too_long_an_input(llama: _Llama, given: Any) -> None:
    with pytest.raises(ContextTooLong, match=r"maximum context length is 50 tokens.* 51 tokens") as caught:
        await _answer(llama, given)
    assert caught.value.param == "input" and not llama.asked
    await _answer(llama, [1] * 50)


@pytest.mark.parametrize(
    "given",
    [
        *(None, "", [], {}, 3, 1.5, True),
        *(["a", ""], [""], [[]], [[1], []], [[1], ["a"]], ["a", 1], [1, "a"], [1, True], [1.5], [None], [["a"]]),
        *([256], [-1], [[1], [256]], ["a"] * 2049, [[[1]]]),
    ],
)
async def test_what_cannot_be_embedded(llama: _Llama, given: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await _answer(llama, given)
    assert caught.value.param == "input" and caught.value.code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("encoding_format", "int8"),
        ("encoding_format", ""),
        ("encoding_format", 3),
        ("dimensions", 0),
        ("dimensions", 5),
        ("dimensions", 1.5),
        ("dimensions", "2"),
        ("dimensions", True),
        ("user", 3),
    ],
)
async def test_what_is_wrong_is_named(llama: _Llama, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        await _answer(llama, "a", **{name: value})
    assert caught.value.param == name
