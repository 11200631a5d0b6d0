"""The older completions: texts or tokens that are gone on with, without a chat around them."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tuneloop.calls import add_up
from tuneloop.engines.local.echo import prompt_entries
from tuneloop.engines.local.fields import Fields
from tuneloop.engines.local.generation import End, Piece
from tuneloop.engines.local.logprobs import Entry, entry, older
from tuneloop.engines.local.model import Model
from tuneloop.engines.local.sampling import MOST_CHOICES, Sampling, read_sampling
from tuneloop.engines.local.turns import new_id
from tuneloop.engines.local.usage import Usage, wants_usage
from tuneloop.types import Json

_MOST_LOGPROBS = 5
_MOST_CANDIDATES = 20
#: OpenAI's, when nothing is said
_DEFAULT_TOKENS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletionRequest:
    """A request, checked."""

    model: str
    #: each a text or token ids
    prompts: Sequence[str | list[int]]
    sampling: Sampling
    n: int
    #: answers to choose the `n` best of
    best_of: int
    #: most tokens of an answer
    most: int
    #: how many of the likeliest tokens are told, None for no log probabilities
    top: int | None
    #: whether the prompt is told before the answer
    echo: bool
    stream: bool
    #: whether a stream ends with a chunk that says what was used
    usage: bool


def read_completion(body: Mapping[str, Json], vocabulary: int) -> CompletionRequest:
    """Check a request to a model with that many tokens. Raises InvalidInput in OpenAI's words."""
    asked = Fields(body)
    if asked.text("suffix"):
        raise asked.error("suffix", "This model cannot fill in before a suffix: leave 'suffix' out.", "invalid_value")
    stream = asked.boolean("stream") is True
    n = asked.integer("n", 1, MOST_CHOICES) or 1
    most = asked.integer("max_tokens", 0)
    return CompletionRequest(
        model=asked.text("model") or "",
        prompts=_prompts(asked, vocabulary),
        sampling=read_sampling(asked, vocabulary),
        n=n,
        best_of=_best_of(asked, n, stream),
        most=_DEFAULT_TOKENS if most is None else most,
        top=asked.integer("logprobs", 0, _MOST_LOGPROBS),
        echo=asked.boolean("echo") is True,
        stream=stream,
        usage=wants_usage(asked, stream=stream),
    )


def _best_of(asked: Fields, n: int, stream: bool) -> int:
    best_of = asked.integer("best_of", 1, _MOST_CANDIDATES)
    if best_of is None:
        return n
    if best_of < n:
        message = f"Invalid 'best_of': it must not be less than 'n', but got {best_of} for n = {n}."
        raise asked.error("best_of", message, "invalid_value")
    if stream and best_of > n:
        raise asked.error("best_of", "Results of 'best_of' cannot be streamed.", "invalid_value")
    return best_of


def _prompts(asked: Fields, vocabulary: int) -> list[str | list[int]]:
    given = asked.raw("prompt")
    if given is None or isinstance(given, str):
        return [given or ""]
    if not isinstance(given, list):
        raise _no_prompt(asked)
    prompts = [given] if given and all(_is_token(one, vocabulary) for one in given) else given
    for one in prompts:
        if not isinstance(one, str) and not (
            isinstance(one, list) and all(_is_token(token, vocabulary) for token in one)
        ):
            raise _no_prompt(asked)
    if not prompts:
        raise asked.error("prompt", "Invalid 'prompt': empty array. Expected at least one prompt.", "empty_array")
    return prompts


def _no_prompt(asked: Fields) -> Exception:
    message = (
        "Invalid type for 'prompt': expected one of a string, an array of strings, an array of tokens that the model "
        "has, or an array of such arrays."
    )
    return asked.error("prompt", message, "invalid_type")


def _is_token(value: Json, vocabulary: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < vocabulary


class CompletionAnswer:
    """The answer to one request, as chunks or whole."""

    def __init__(self, model: Model, body: Mapping[str, Json]) -> None:
        self._model = model
        self._request = read_completion(body, model.vocabulary)
        self._usage = Usage(prompt=0)
        self._base = {
            "id": new_id("cmpl-"),
            "object": "text_completion",
            "created": int(time.time()),
            "model": self._request.model,
            "system_fingerprint": model.fingerprint,
        }

    @property
    def stream(self) -> bool:
        """Whether chunks were asked for."""
        return self._request.stream

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks in order. Raises InvalidInput, ContextTooLong and EngineError."""
        request, model = self._request, self._model
        prompts = [await model.text_ids(prompt) for prompt in request.prompts]
        self._usage.prompt = sum(map(len, prompts))
        texts = [model.text(prompt) for prompt in request.prompts]
        parts = [_Part(text, request, model.special) for text in texts for _ in range(request.best_of)]
        if request.echo:
            for choice, part in enumerate(parts):
                ids = prompts[choice // request.best_of]
                part.entries += [] if request.top is None else await prompt_entries(model, ids, request.top)
                yield self._chunk(choice, *part.take(part.prompt))
        async with aclosing(self._pieces(prompts)) as pieces:
            async for piece in pieces:
                if isinstance(piece, End):
                    self._usage.add(piece)
                    yield self._chunk(piece.choice, "", None, piece.reason)
                else:
                    part = parts[piece.choice]
                    part.add(piece)
                    if piece.text:
                        yield self._chunk(piece.choice, *part.take(piece.text))
        if request.usage:
            yield {**self._base, "choices": [], "usage": self._usage.told()}

    def whole(self, chunks: Sequence[Mapping[str, Json]]) -> dict[str, Any]:
        """What all chunks add up to, the best ones of each prompt."""
        request = self._request
        answers: list[dict[str, Any]] = add_up(chunks)["choices"]
        kept = []
        for first in range(0, len(answers), request.best_of):
            candidates = answers[first : first + request.best_of]
            kept += candidates if request.best_of == request.n else sorted(candidates, key=_worth)[: request.n]
        choices = [
            {
                "text": one["text"],
                "index": index,
                "logprobs": one.get("logprobs") if request.top is not None else None,
                "finish_reason": one["finish_reason"],
            }
            for index, one in enumerate(kept)
        ]
        return {**self._base, "choices": choices, "usage": self._usage.told()}

    async def _pieces(self, prompts: Sequence[Sequence[int]]) -> AsyncGenerator[Piece | End, None]:
        request, llama = self._request, self._model.llama
        if request.most == 0:  # the prompt alone is asked for
            for choice in range(len(prompts) * request.best_of):
                yield End(choice, "length", 0, 0)
            return
        fields = request.sampling.asked_of_llama(prompts[0] if len(prompts) == 1 else (), llama.context)
        fields["n_predict"] = request.most
        if request.top is not None or request.best_of > request.n:
            fields["n_probs"] = max(1, request.top or 0)
        async with aclosing(llama.generate(prompts, request.best_of, fields)) as pieces:
            async for piece in pieces:
                yield piece

    def _chunk(
        self, choice: int, text: str, logprobs: Mapping[str, Json] | None, finish_reason: str | None = None
    ) -> dict[str, Any]:
        told = {"text": text, "index": choice, "logprobs": logprobs, "finish_reason": finish_reason}
        chunk = {**self._base, "choices": [told]}
        return {**chunk, "usage": None} if self._request.usage else chunk


class _Part:
    """What is said of one answer: tokens wait until there is a text that they belong to."""

    def __init__(self, prompt: str, request: CompletionRequest, special: Mapping[int, str]) -> None:
        self.prompt = prompt
        self._special = special
        self.entries: list[Entry] = []
        self._top = request.top
        self._offset = 0 if request.echo else len(prompt)

    def add(self, piece: Piece) -> None:
        """Remember the token of a piece."""
        if piece.token is not None:
            self.entries.append(entry(piece.token, self._top or 0, self._special))

    def take(self, text: str) -> tuple[str, dict[str, Any] | None]:
        """The text, and what is known of its tokens."""
        entries, self.entries = self.entries, []
        offset, self._offset = self._offset, self._offset + len(text)
        return text, older(entries, offset) if entries else None


def _worth(answer: Mapping[str, Json]) -> float:
    """Less for a better answer: with a higher log probability per token."""
    known = (answer.get("logprobs") or {}).get("token_logprobs") or ()
    logprobs = [float(one) for one in known if one is not None] or [0.0]
    return -sum(logprobs) / len(logprobs)
