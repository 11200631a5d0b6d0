"""How tokens are chosen: the fields of a request that say so, as llama.cpp has them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tuneloop.engines.local.fields import Fields
from tuneloop.types import Json

#: choices that one call may ask for
MOST_CHOICES = 128
_MOST_STOPS = 4
_SEEDS = 2**32 - 1  # llama.cpp takes the last 32 bits' largest number for "any"

_TOKEN = re.compile("[0-9]{1,10}")

#: llama.cpp's own, as clients of local servers send them; one of another type is as good as none
_EXTRAS: dict[str, type | tuple[type, ...]] = {
    "top_k": int,
    "min_p": (int, float),
    "repeat_penalty": (int, float),
    "ignore_eos": bool,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """What a request says of it; the defaults are OpenAI's."""

    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    #: token ids and what is added to their logits
    logit_bias: dict[int, float] = field(default_factory=dict)
    stop: Sequence[str] = ()
    extras: dict[str, Json] = field(default_factory=dict)

    def asked_of_llama(self, prompt: Sequence[int], context: int) -> dict[str, Any]:
        """The fields of llama.cpp's request for that prompt, of a model that holds so many tokens."""
        bias = dict(self.logit_bias)
        fields: dict[str, Any] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": list(self.stop),
            **self.extras,
        }
        if self.frequency_penalty or self.presence_penalty:
            # OpenAI counts what was sampled. llama.cpp counts the prompt as well, where the end-of-turn token is
            # often; what that costs is given back.
            fields |= {"repeat_last_n": context, "frequency_penalty": self.frequency_penalty}
            fields["presence_penalty"] = self.presence_penalty
            for token, count in Counter(prompt).items():
                bias[token] = bias.get(token, 0.0) + count * self.frequency_penalty + self.presence_penalty
        if self.seed is not None:
            # A prompt that is computed in one piece, not partly remembered, gives the same numbers each time.
            fields |= {"seed": self.seed % _SEEDS, "cache_prompt": False}
        if bias:
            fields["logit_bias"] = list(bias.items())
        return fields


def read_sampling(asked: Fields, vocabulary: int) -> Sampling:
    """The sampling fields of a request to a model with that many tokens. Raises InvalidInput."""
    given: dict[str, Any] = {
        "temperature": asked.number("temperature", 0, 2),
        "top_p": asked.number("top_p", 0, 1),
        "frequency_penalty": asked.number("frequency_penalty", -2, 2),
        "presence_penalty": asked.number("presence_penalty", -2, 2),
        "seed": asked.integer("seed", -(2**63), 2**63 - 1),
        "logit_bias": _logit_bias(asked, vocabulary),
        "stop": _stop(asked),
        "extras": {name: value for name, kind in _EXTRAS.items() if _is(value := asked.raw(name), kind)},
    }
    return Sampling(**{name: value for name, value in given.items() if value is not None})


def _is(value: Json, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _stop(asked: Fields) -> list[str] | None:
    value = asked.raw("stop")
    if value is None or isinstance(value, str):
        return [value] if value else None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise asked.error(
            "stop", "Invalid type for 'stop': expected one of a string or an array of strings.", "invalid_type"
        )
    if len(value) > _MOST_STOPS:
        raise asked.error(
            "stop",
            f"Invalid 'stop': array too long. Expected an array with maximum length {_MOST_STOPS}, but got an array "
            f"with length {len(value)} instead.",
            "array_above_max_length",
        )
    return [one for one in value if one]


def _logit_bias(asked: Fields, vocabulary: int) -> dict[int, float] | None:
    given = asked.mapping("logit_bias")
    if given is None:
        return None
    for key, value in given.items():
        if not _TOKEN.fullmatch(key) or int(key) >= vocabulary:
            message = f"Invalid key in 'logit_bias': {key!r}. Expected the id of a token, at most {vocabulary - 1}."
            raise asked.error("logit_bias", message, "invalid_value")
        if not _is(value, (int, float)) or not -100 <= value <= 100:
            message = f"Invalid value in 'logit_bias': {value!r}. Expected a number from -100 to 100."
            raise asked.error("logit_bias", message, "invalid_value")
    return {int(key): float(value) for key, value in given.items()}
