"""Embeddings: vectors that stand for what texts mean, out of a model that was made to chat.

An input is put into a sentence that asks for its meaning in one word; the vector is what the model has in mind where
the word would follow (T. Jiang et al., Scaling Sentence Embeddings with Large Language Models, 2023). Of 18 sentences,
each with a paraphrase and a stranger, SmolLM2-135M put the paraphrase closer 18 times, with the mean of all tokens 13.
"""

from __future__ import annotations

import asyncio
import base64
import math
from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneloop.engines.local.fields import Fields
from tuneloop.engines.local.model import Model
from tuneloop.errors import ContextTooLong, InvalidInput
from tuneloop.types import Json

#: what stands around an input, and the tokens that are kept free for it
BEFORE, AFTER = 'This sentence: "', '" means in one word: "'
ROOM = 64

#: inputs of one call, as OpenAI has it
_MOST_INPUTS = 2048


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingRequest:
    """A request, checked."""

    model: str
    inputs: Sequence[str | list[int]]
    #: how many numbers a vector is cut to, None for all
    dimensions: int | None
    base64: bool


def read_embedding(body: Mapping[str, Json], vocabulary: int) -> EmbeddingRequest:
    """Check a request to a model with that many tokens. Raises InvalidInput in OpenAI's words."""
    asked = Fields(body)
    if "input" not in asked:
        raise asked.missing("input")
    asked.text("user")
    return EmbeddingRequest(
        model=asked.text("model") or "",
        inputs=_inputs(asked, vocabulary),
        dimensions=asked.integer("dimensions", 1),
        base64=asked.choice("encoding_format", ("float", "base64")) == "base64",
    )


class EmbeddingAnswer:
    """The answer to one request. An input may have `most` tokens."""

    stream = False

    def __init__(self, model: Model, body: Mapping[str, Json], most: int) -> None:
        self._model = model
        self._request = read_embedding(body, model.vocabulary)
        self._most = most

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """The whole answer, in one piece. Raises InvalidInput, ContextTooLong and EngineError."""
        inputs, around = await asyncio.to_thread(self._tokens)
        before, after = around
        body = {"input": [[*before, *ids, *after] for ids in inputs], "encoding_format": "base64"}
        found = sorted((await self._model.llama.ask("/v1/embeddings", body))["data"], key=lambda item: item["index"])
        data = [
            {"object": "embedding", "index": number, "embedding": self._vector(item["embedding"])}
            for number, item in enumerate(found)
        ]
        used = sum(map(len, inputs))
        usage = {"prompt_tokens": used, "total_tokens": used}
        yield {"object": "list", "data": data, "model": self._request.model, "usage": usage}

    def whole(self, chunks: Sequence[Mapping[str, Json]]) -> dict[str, Any]:
        """The one chunk."""
        return dict(chunks[0])

    def _tokens(self) -> tuple[list[list[int]], tuple[list[int], list[int]]]:
        """The tokens of the inputs, and those before and after each."""
        text_ids = self._model.chat.text_ids
        begin = len(text_ids(""))
        inputs = [one if isinstance(one, list) else text_ids(one)[begin:] for one in self._request.inputs]
        longest = max(map(len, inputs))
        if longest > self._most:
            raise ContextTooLong(
                f"This model's maximum context length is {self._most} tokens. However, your input resulted in "
                f"{longest} tokens. Please reduce the length of the input.",
                param="input",
            )
        return inputs, (text_ids(BEFORE), text_ids(AFTER)[begin:])

    def _vector(self, encoded: str) -> Json:
        """A vector of length 1, cut if that is asked for (then its length is 1 again)."""
        request = self._request
        if request.dimensions is None and request.base64:
            return encoded
        numbers = array("f", base64.b64decode(encoded))
        if request.dimensions is not None:
            numbers = _cut(numbers, request)
        return base64.b64encode(numbers).decode() if request.base64 else numbers.tolist()


def _cut(numbers: array[float], request: EmbeddingRequest) -> array[float]:
    wanted = request.dimensions or 0
    if wanted > len(numbers):
        raise InvalidInput(
            f"Invalid 'dimensions': the vectors of '{request.model}' have {len(numbers)} dimensions, not {wanted}.",
            param="dimensions",
            code="integer_above_max_value",
        )
    kept = numbers[:wanted]
    length = math.sqrt(math.fsum(x * x for x in kept)) or 1.0
    return array("f", [x / length for x in kept])


def _inputs(asked: Fields, vocabulary: int) -> list[str | list[int]]:
    """A text, some texts, token ids, or some lists of token ids; nothing empty."""
    given = asked.raw("input")
    inputs = [given] if isinstance(given, str) or _are_tokens(given) else given
    if not isinstance(inputs, list):
        raise _no_input(asked, "a string, an array of strings, an array of token ids or an array of such arrays")
    if not 0 < len(inputs) <= _MOST_INPUTS:
        raise _no_input(asked, f"an array of 1 to {_MOST_INPUTS} inputs, not {len(inputs)}")
    for one in inputs:
        if type(one) is not type(inputs[0]) or not (isinstance(one, str) or _are_tokens(one)):
            raise _no_input(
                asked, "an array of strings, of token ids, or of arrays of token ids, and of one of them only"
            )
        if not one:
            raise asked.error("input", "Invalid 'input': it cannot be an empty string or array.", "empty_string")
        if isinstance(one, list) and not all(0 <= token < vocabulary for token in one):
            message = (
                f"Invalid 'input': this model's token ids are 0 to {vocabulary - 1}. Send texts: ids of another "
                "model's tokens would mean something else."
            )
            raise asked.error("input", message, "invalid_value")
    return inputs


def _are_tokens(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in value)


def _no_input(asked: Fields, expected: str) -> InvalidInput:
    return asked.error("input", f"Invalid 'input': expected {expected}.", "invalid_type")
