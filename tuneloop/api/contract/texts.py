"""Completions and embeddings. The states are those of local models; to an upstream all goes through."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.chat import StreamOptions, Usage
from tuneloop.api.contract.words import EVENTS, IGNORED, JSON, REFUSED, Operation, works

Tokens = list[int]


class CreateCompletion(TypedDict):
    """A text to be gone on with."""

    model: str
    prompt: NotRequired[str | list[str] | Tokens | list[Tokens]]
    best_of: NotRequired[int | None]
    echo: NotRequired[bool | None]
    frequency_penalty: NotRequired[Annotated[float, Bounds(ge=-2, le=2)] | None]
    logit_bias: NotRequired[dict[str, float] | None]
    logprobs: NotRequired[Annotated[int, Bounds(ge=0, le=5)] | None]
    max_tokens: NotRequired[Annotated[int | None, works("16 without it")]]
    n: NotRequired[Annotated[int, Bounds(ge=1, le=128)] | None]
    presence_penalty: NotRequired[Annotated[float, Bounds(ge=-2, le=2)] | None]
    seed: NotRequired[int | None]
    stop: NotRequired[str | list[str] | None]
    stream: NotRequired[bool | None]
    stream_options: NotRequired[StreamOptions | None]
    suffix: NotRequired[Annotated[str | None, REFUSED]]
    temperature: NotRequired[Annotated[float, Bounds(ge=0, le=2)] | None]
    top_p: NotRequired[Annotated[float, Bounds(ge=0, le=1)] | None]
    user: NotRequired[Annotated[str, works("kept with the log")]]


class CompletionChoice(TypedDict):
    """One of the texts."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: NotRequired[dict[str, Any] | None]


class Completion(TypedDict):
    """What came back; with `stream`, its pieces as server-sent events."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: NotRequired[Usage | None]
    system_fingerprint: NotRequired[str | None]


class CreateEmbedding(TypedDict):
    """Texts to be turned into vectors."""

    model: str
    input: str | list[str] | Tokens | list[Tokens]
    dimensions: NotRequired[int]
    encoding_format: NotRequired[Literal["float", "base64"]]
    user: NotRequired[Annotated[str, IGNORED]]


class Embedding(TypedDict):
    """One vector."""

    object: Literal["embedding"]
    index: int
    embedding: Annotated[list[float] | str, works("numbers, or base64 of float32s")]


class Embeddings(TypedDict):
    """The vectors."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, Any]


OPERATIONS = (
    Operation(
        "Completions",
        "POST",
        "/v1/completions",
        "Go on with a text",
        CreateCompletion,
        Completion,
        writes=(JSON, EVENTS),
    ),
    Operation("Embeddings", "POST", "/v1/embeddings", "Turn texts into vectors", CreateEmbedding, Embeddings),
)
