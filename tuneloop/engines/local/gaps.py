"""Tokens that llama.cpp does not tell: those that end in the middle of a character, with their log probabilities.

It says nothing until the character is complete, and then of the last token only. The others are found among the
likeliest tokens at their places, by their bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneloop.types import Json

if TYPE_CHECKING:
    from tuneloop.engines.local.generation import Llama

#: likeliest tokens that are looked through; one that is not among them is told as OpenAI tells the very unlikely
_LOOKED_AT = 1000
_NOT_FOUND: Mapping[str, Json] = {"token": "", "bytes": [], "logprob": -9999.0, "id": None}


async def missing_tokens(llama: Llama, before: Sequence[int], written: bytes, number: int) -> list[dict[str, Any]]:
    """The `number` tokens after the token ids `before` that were not told, and have begun to write these bytes."""
    found: list[dict[str, Any]] = []
    ids = list(before)
    for _ in range(number):
        near = await likeliest(llama, ids, _LOOKED_AT)
        fitting = (one for one in near if one["bytes"] and written.startswith(bytes(one["bytes"])))
        token = next((one for one in fitting if len(one["bytes"]) < len(written)), _NOT_FOUND)
        found.append({**token, "token": "", "top_logprobs": near[:20]})
        if token["id"] is not None:
            ids.append(token["id"])
            written = written[len(token["bytes"]) :]
    return found


async def likeliest(llama: Llama, ids: Sequence[int], number: int) -> list[dict[str, Any]]:
    """The likeliest tokens after some, best first, as llama.cpp tells them."""
    # A token that is complete has to be sampled, or nothing is told of this place.
    body = {"prompt": ids, "n_predict": 1, "n_probs": number, "grammar": '%llguidance {}\nstart: "a"'}
    answer = await llama.ask("/completion", {**body, "response_fields": ["completion_probabilities"]})
    return list(answer["completion_probabilities"][0]["top_logprobs"])
