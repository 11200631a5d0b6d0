"""Log probabilities of a prompt's own tokens: llama.cpp tells them of what it samples, so it is made to sample them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuneloop.engines.local.logprobs import Entry, entry
from tuneloop.engines.local.model import Model
from tuneloop.types import Json


async def prompt_entries(model: Model, prompt: Sequence[int], top: int) -> list[Entry]:
    """An entry for each token of a prompt. The first has no log probability, for nothing stands before it."""
    told: list[Entry] = [_unknown(model.chat.decode(prompt[:1]))]
    while len(told) < len(prompt):
        rest = prompt[len(told) :]
        answer = await model.llama.ask(
            "/completion",
            {
                "prompt": prompt[: len(told)],
                "grammar": "%llguidance {}\nstart: " + " ".join(f"<[{token}]>" for token in rest),
                "n_predict": len(rest),
                "temperature": 0,
                "n_probs": max(1, top),
                "return_tokens": True,
                "preserved_tokens": list(model.chat.special_tokens),
                "response_fields": ["tokens", "completion_probabilities"],
            },
        )
        # A token that ends a text ends the answer, too; the rest is asked for after it.
        told += _aligned(model, answer["tokens"], answer.get("completion_probabilities") or (), top)
    return told


def _aligned(model: Model, tokens: Sequence[int], sampled: Sequence[Mapping[str, Json]], top: int) -> list[Entry]:
    """An entry for each token; llama.cpp leaves out those that end in the middle of a character."""
    entries = []
    waiting = list(sampled)
    for token in tokens:
        known = waiting and waiting[0]["id"] == token
        entries.append(entry(waiting.pop(0), top, model.special) if known else _unknown(""))
    return entries


def _unknown(text: str) -> Entry:
    return {"token": text, "logprob": None, "bytes": list(text.encode()), "top_logprobs": None}
