"""Log probabilities of tokens as OpenAI tells them, for chat and for the older completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.types import Json

#: OpenAI's number for what is very unlikely
_VERY_UNLIKELY = -9999.0

#: an entry of a chat's `logprobs.content`
Entry = Mapping[str, Json]


def entry(token: Mapping[str, Json], top: int, special: Mapping[int, str]) -> Entry:
    """One token of llama.cpp's, with the `top` likeliest in its place, best first. `special` names those that are no
    text, by their ids."""
    likeliest = sorted(token["top_logprobs"], key=lambda one: -_logprob(one))[:top]
    return {**_told(token, {}), "top_logprobs": [_told(one, special) for one in likeliest]}


def _told(token: Mapping[str, Json], special: Mapping[int, str]) -> dict[str, Any]:
    name = special.get(token["id"], "")
    text, data = (name, list(name.encode())) if name else (token["token"], token["bytes"])
    return {"token": text, "logprob": _logprob(token), "bytes": data}


def _logprob(token: Mapping[str, Json]) -> float:
    return min(0.0, max(float(token["logprob"]), _VERY_UNLIKELY))


def older(entries: Sequence[Entry], offset: int) -> dict[str, Any]:
    """The `logprobs` of a completion whose text begins at character `offset` of what was asked."""
    any_told = any(one["top_logprobs"] for one in entries)
    offsets = []
    for one in entries:
        offsets.append(offset)
        offset += len(one["token"])
    return {
        "tokens": [one["token"] for one in entries],
        "token_logprobs": [one["logprob"] for one in entries],
        "top_logprobs": [_by_token(one["top_logprobs"]) for one in entries] if any_told else None,
        "text_offset": offsets,
    }


def _by_token(likeliest: Sequence[Mapping[str, Json]] | None) -> dict[str, float] | None:
    if likeliest is None:
        return None
    return {one["token"]: one["logprob"] for one in reversed(likeliest)}  # of two that look alike, the likelier
