"""Chat completions: a request becomes a prompt and a grammar, what llama.cpp says becomes chunks or an answer."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tuneloop.calls import add_up
from tuneloop.engines.local.circles import CircleWatch, Detour
from tuneloop.engines.local.fields import Fields
from tuneloop.engines.local.generation import End, Piece
from tuneloop.engines.local.messages import read_messages
from tuneloop.engines.local.model import Model
from tuneloop.engines.local.sampling import MOST_CHOICES, Sampling, read_sampling
from tuneloop.engines.local.schemas import read_response_format
from tuneloop.engines.local.tools import ToolUse, read_tools
from tuneloop.engines.local.turns import Delta, Reading, Turn, new_id
from tuneloop.engines.local.usage import Usage, wants_usage
from tuneloop.types import Json, Message

_MOST_LOGPROBS = 20
#: tokens left for an answer where a conversation is cut and nothing is said of how long the answer may be
_ROOM = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatRequest:
    """A request, checked."""

    model: str
    messages: Sequence[Message]
    use: ToolUse
    #: what the answer is held to, None for text
    schema: Json
    sampling: Sampling
    n: int
    #: whether the oldest messages may be left out where there is no room for all
    truncate: bool
    #: most tokens of an answer, None for as many as there is room for
    most: int | None
    #: how many of the likeliest tokens are told, None for no log probabilities
    top: int | None
    stream: bool
    #: whether a stream ends with a chunk that says what was used
    usage: bool
    #: a grammar of the caller's own, as llama.cpp takes it
    grammar: str | None


def read_chat(body: Mapping[str, Json], vocabulary: int) -> ChatRequest:
    """Check a request to a model with that many tokens. Raises InvalidInput in OpenAI's words."""
    asked = Fields(body)
    _check_modalities(asked)
    stream = asked.boolean("stream") is True
    limits = [asked.integer("max_completion_tokens", 1), asked.integer("max_tokens", 1)]
    grammar = asked.raw("grammar")
    return ChatRequest(
        model=asked.text("model") or "",
        messages=read_messages(asked),
        use=read_tools(asked),
        schema=read_response_format(asked),
        sampling=read_sampling(asked, vocabulary),
        n=asked.integer("n", 1, MOST_CHOICES) or 1,
        truncate=asked.raw("truncation") == "auto",  # of the Responses API
        most=next((limit for limit in limits if limit is not None), None),
        top=_top_logprobs(asked),
        stream=stream,
        usage=wants_usage(asked, stream=stream),
        grammar=grammar if isinstance(grammar, str) and grammar else None,
    )


def _top_logprobs(asked: Fields) -> int | None:
    told = asked.boolean("logprobs") is True
    top = asked.integer("top_logprobs", 0, _MOST_LOGPROBS)
    if top is not None and not told:
        raise asked.error(
            "top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "invalid_value"
        )
    return (top or 0) if told else None


def _check_modalities(asked: Fields) -> None:
    for one in asked.array("modalities") or ():
        if one != "text":
            message = f"This model writes text only; it has no modality {one!r}."
            raise asked.error("modalities", message, "invalid_value")


class ChatAnswer:
    """The answer to one request, as chunks or whole."""

    def __init__(self, model: Model, body: Mapping[str, Json]) -> None:
        self._model = model
        self._request = read_chat(body, model.vocabulary)
        self._usage = Usage(prompt=0)
        self._base = {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": self._request.model,
        }

    @property
    def stream(self) -> bool:
        """Whether chunks were asked for."""
        return self._request.stream

    async def chunks(self) -> AsyncGenerator[dict[str, Any], None]:
        """The chunks in order. Raises InvalidInput, ContextTooLong and EngineError."""
        request, model = self._request, self._model
        fields = self._fields()
        room = min(request.most or _ROOM, model.llama.context // 4) if request.truncate else 0
        prompt = await model.prompt(request.messages, request.use.tools, room)
        fields |= request.sampling.asked_of_llama(prompt, model.llama.context)
        self._usage.prompt = len(prompt)
        reading = Reading(
            thoughts=model.thoughts,
            calls=model.chat.calls if request.use.mode != "none" else None,
            legacy=request.use.legacy,
            top=request.top,
            special=model.special,
        )
        turns = {choice: Turn(choice, reading) for choice in range(request.n)}
        async with aclosing(self._pieces(prompt, fields)) as pieces:
            async for piece in pieces:
                for delta in self._said(turns, piece):
                    yield self._chunk(delta)
                if not turns:
                    break
        if request.usage:
            yield {**self._base, "choices": [], "usage": self._usage.told(), **self._ending}

    async def _pieces(self, prompt: Sequence[int], fields: Mapping[str, Any]) -> AsyncGenerator[Piece | End, None]:
        """The pieces of all answers. One in JSON that goes round in circles is led out of them when the others are
        done."""
        request, model = self._request, self._model
        in_json = request.grammar is None and (request.schema is not None or request.use.mode == "required")
        watches = {choice: CircleWatch() for choice in range(request.n)} if in_json else {}
        detours: dict[int, Detour] = {}
        waiting = set(range(request.n))
        async with aclosing(model.llama.generate([prompt], request.n, fields)) as pieces:
            async for piece in pieces:
                if piece.choice in waiting:
                    yield piece
                    detour = self._detour(piece, watches, fields)
                    if detour is not None:
                        detours[piece.choice] = detour
                    if detour is not None or isinstance(piece, End):
                        waiting.discard(piece.choice)
                if not waiting:
                    break
        for detour in detours.values():
            async with aclosing(detour.pieces(prompt, request.most)) as pieces:
                async for piece in pieces:
                    yield piece

    def _detour(self, piece: Piece | End, watches: dict[int, CircleWatch], fields: Mapping[str, Any]) -> Detour | None:
        """The way out, where an answer goes round in circles with this piece."""
        watch = watches.get(piece.choice)
        if watch is None or isinstance(piece, End) or not watch.feed(piece.text):
            return None
        del watches[piece.choice]
        return self._model.detours.find(piece, watch, fields["grammar"])

    def _said(self, turns: dict[int, Turn], piece: Piece | End) -> Iterator[Delta]:
        """What a piece says; a turn that is over is taken out of `turns`."""
        turn = turns.get(piece.choice)
        if turn is None:
            return
        if isinstance(piece, Piece):
            yield from turn.feed(piece)
            if not turn.over:
                return
            piece = End(piece.choice, "stop", piece.sampled, 0)
        self._usage.add(piece, turn.thinking)
        yield from turn.close(piece.reason)
        del turns[piece.choice]

    def whole(self, chunks: Sequence[Mapping[str, Json]]) -> dict[str, Any]:
        """What all chunks add up to, as it is told to whom did not ask for a stream."""
        choices = []
        for choice in add_up(chunks)["choices"]:
            message = {"refusal": None, "annotations": [], **choice["message"]}
            logprobs = choice.get("logprobs")
            choices.append({**choice, "message": message, "logprobs": logprobs})
        return {
            **self._base,
            "object": "chat.completion",
            "choices": choices,
            "usage": self._usage.told(),
            **self._ending,
        }

    @property
    def _ending(self) -> dict[str, Any]:
        return {"service_tier": "default", "system_fingerprint": self._model.fingerprint}

    def _fields(self) -> dict[str, Any]:
        """What llama.cpp is asked for, but for the sampling. Raises InvalidInput for schemas that are none."""
        request = self._request
        fields: dict[str, Any] = {}
        if request.most is not None:
            fields["n_predict"] = request.most
        if request.top is not None:
            fields["n_probs"] = max(1, request.top)
        grammar = request.grammar or self._model.grammars.write(request.use, request.schema)
        if grammar is not None:
            fields |= {"grammar": grammar, "preserved_tokens": self._model.preserved_tokens}
        return fields

    def _chunk(self, delta: Delta) -> dict[str, Any]:
        logprobs = None
        if self._request.top is not None and ("content" in delta.delta and delta.logprobs):
            logprobs = {"content": delta.logprobs, "refusal": None}
        choice = {"index": delta.choice, "delta": delta.delta, "logprobs": logprobs}
        chunk = {**self._base, "choices": [{**choice, "finish_reason": delta.finish_reason}], **self._ending}
        return {**chunk, "usage": None} if self._request.usage else chunk
