"""Asks llama.cpp for tokens: a prompt of token ids goes in, pieces of answers come out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import aiohttp
import orjson

from tuneloop.engines.local.gaps import missing_tokens
from tuneloop.errors import EngineError, InvalidInput, TuneloopError
from tuneloop.types import Json

#: what the last event of an answer is asked for; the whole one repeats the prompt and all settings
_LAST_FIELDS = ["index", "stop", "stop_type", "tokens_predicted", "timings"]

_JSON = {"Content-Type": "application/json"}


class Piece(NamedTuple):
    """What one token has added to an answer: some text, or none while a character or a stop sequence is incomplete."""

    choice: int
    text: str
    #: tokens up to here
    sampled: int
    #: with its log probability and those of others, as llama.cpp has them, where they were asked for
    token: Mapping[str, Json] | None = None


class End(NamedTuple):
    """The end of an answer."""

    choice: int
    reason: Literal["stop", "length"]
    #: sampled, without the one that ends a turn
    tokens: int
    #: tokens of the prompt that need not be computed again
    cached: int


@dataclass(frozen=True, kw_only=True)
class Llama:
    """One llama.cpp server."""

    session: aiohttp.ClientSession
    #: without a version: "http://127.0.0.1:8081"
    url: str
    #: answers that it works on at the same time
    slots: int
    #: tokens, of prompt and answer, that each of them holds
    context: int

    async def generate(
        self, prompts: Sequence[Sequence[int]], n: int, fields: Mapping[str, Any]
    ) -> AsyncGenerator[Piece | End, None]:
        """`n` answers to each prompt, side by side as far as there are slots; those of the first prompt are counted
        first. Leaving early ends the work on them.

        Raises InvalidInput for fields that llama.cpp refuses, and EngineError.
        """
        for first in range(0, n, self.slots):
            together = min(self.slots, n - first)
            body = {**fields, "prompt": prompts, "n_cmpl": together, "stream": True, "response_fields": _LAST_FIELDS}
            if "seed" in fields:
                body["seed"] = fields["seed"] + first
            answers = [list(prompt) for prompt in prompts for _ in range(together)]
            async with aclosing(self._events(body)) as events:
                async for event in events:
                    prompt, place = divmod(event["index"], together)
                    choice = prompt * n + first + place
                    if "completion_probabilities" in event:
                        async for piece in self._told_late(event, choice, answers[event["index"]]):
                            yield piece
                    yield _read(event, choice)

    async def _told_late(self, event: Mapping[str, Json], choice: int, told: list[int]) -> AsyncGenerator[Piece, None]:
        """The tokens before an event that were not told of, for they ended in the middle of a character.

        `told` are the token ids of prompt and answer up to them; it grows by them and by the event's.
        """
        (token,) = event["completion_probabilities"]
        number = event["tokens_predicted"] - 1 - (len(told) - event["tokens_evaluated"])
        if number:
            for one in await missing_tokens(self, told, bytes(token["bytes"]), number):
                token["bytes"] = token["bytes"][len(one["bytes"]) :]
                told.append(one["id"] or 0)
                yield Piece(choice, "", event["tokens_predicted"], one)
        told.append(token["id"])

    async def ask(self, path: str, body: Mapping[str, Any]) -> Json:
        """One whole answer from any of llama.cpp's routes. Raises as `generate` does."""
        data = orjson.dumps(body)
        async with self.session.post(self.url + path, data=data, headers=_JSON) as response:
            content = await response.read()
            if response.status != 200:
                raise _error(response.status, content)
            return orjson.loads(content)

    async def _events(self, body: Mapping[str, Any]) -> AsyncGenerator[Mapping[str, Json], None]:
        data = orjson.dumps(body)
        async with self.session.post(f"{self.url}/completion", data=data, headers=_JSON) as response:
            if response.status != 200:
                raise _error(response.status, await response.read())
            async for line in response.content:
                if line.startswith(b"data: {"):
                    event = orjson.loads(line[6:])
                    if "error" in event:
                        raise _error(500, line[6:])
                    yield event


def _read(event: Mapping[str, Json], choice: int) -> Piece | End:
    if not event["stop"]:
        probabilities = event.get("completion_probabilities")
        return Piece(choice, event["content"], event["tokens_predicted"], probabilities[0] if probabilities else None)
    ended = event["stop_type"] == "eos"
    return End(
        choice,
        "length" if event["stop_type"] == "limit" else "stop",
        event["tokens_predicted"] - ended,
        (event.get("timings") or {}).get("cache_n", 0),
    )


def _error(status: int, content: bytes) -> TuneloopError:
    try:
        message = str(orjson.loads(content)["error"]["message"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        message = content[:500].decode("utf-8", "replace")
    return InvalidInput(message) if 400 <= status < 500 else EngineError(message)
