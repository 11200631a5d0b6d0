"""Responses. The states are those of local models; to an upstream all goes through."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.words import EMPTY, EVENTS, IGNORED, JSON, REFUSED, Field, Operation, Page, works


class CreateResponse(TypedDict):
    """Something to be answered."""

    model: str
    input: NotRequired[
        Annotated[str | list[dict[str, Any]], works("messages, function calls and their outputs, item references")]
    ]
    include: NotRequired[list[str] | None]
    instructions: NotRequired[str | None]
    max_output_tokens: NotRequired[int | None]
    metadata: NotRequired[dict[str, str] | None]
    parallel_tool_calls: NotRequired[bool | None]
    previous_response_id: NotRequired[str | None]
    store: NotRequired[Annotated[bool | None, works("true without it")]]
    stream: NotRequired[bool | None]
    stream_options: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    temperature: NotRequired[Annotated[float, Bounds(ge=0, le=2)] | None]
    text: NotRequired[Annotated[dict[str, Any], works("format: text, json_object, json_schema")]]
    tool_choice: NotRequired[str | dict[str, Any]]
    tools: NotRequired[Annotated[list[dict[str, Any]], works("functions; OpenAI's own tools are refused")]]
    top_logprobs: NotRequired[Annotated[int, Bounds(ge=0, le=20)] | None]
    top_p: NotRequired[Annotated[float, Bounds(ge=0, le=1)] | None]
    truncation: NotRequired[
        Annotated[Literal["auto", "disabled"] | None, Field("ignored", "too long an input is an error in any case")]
    ]
    user: NotRequired[Annotated[str, works("kept with the log")]]
    access_programs: NotRequired[Annotated[Any, IGNORED]]
    background: NotRequired[Annotated[bool | None, REFUSED]]
    background_options: NotRequired[Annotated[Any, IGNORED]]
    context_management: NotRequired[Annotated[Any, IGNORED]]
    conversation: NotRequired[Annotated[str | dict[str, Any] | None, REFUSED]]
    image: NotRequired[Annotated[Any, IGNORED]]
    max_tool_calls: NotRequired[Annotated[int | None, IGNORED]]
    moderation: NotRequired[Annotated[Any, IGNORED]]
    prompt: NotRequired[Annotated[dict[str, Any] | None, works("one that is kept here")]]
    prompt_cache_key: NotRequired[Annotated[str | None, IGNORED]]
    prompt_cache_options: NotRequired[Annotated[Any, IGNORED]]
    prompt_cache_retention: NotRequired[Annotated[str | None, IGNORED]]
    reasoning: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    safety_identifier: NotRequired[Annotated[str | None, IGNORED]]
    service_tier: NotRequired[Annotated[str | None, IGNORED]]


class Item(TypedDict):
    """A message, a function call or what a function gave."""

    id: str
    type: str


class Response(TypedDict):
    """What came back; with `stream`, its making as server-sent events."""

    id: str
    object: Literal["response"]
    created_at: float
    status: NotRequired[str]
    model: str
    output: Annotated[list[dict[str, Any]], works("messages and function calls")]
    parallel_tool_calls: bool
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    completed_at: NotRequired[float | None]
    error: dict[str, Any] | None
    incomplete_details: dict[str, Any] | None
    instructions: Any
    max_output_tokens: NotRequired[int | None]
    max_tool_calls: NotRequired[int | None]
    metadata: dict[str, str] | None
    previous_response_id: NotRequired[str | None]
    prompt_cache_key: NotRequired[str | None]
    reasoning: NotRequired[dict[str, Any] | None]
    safety_identifier: NotRequired[str | None]
    service_tier: NotRequired[str | None]
    temperature: float | None
    text: NotRequired[dict[str, Any] | None]
    top_logprobs: NotRequired[int | None]
    top_p: float | None
    truncation: NotRequired[str | None]
    usage: NotRequired[dict[str, Any] | None]
    user: NotRequired[str | None]
    background: NotRequired[bool | None]
    access_programs: NotRequired[Annotated[Any, EMPTY]]
    conversation: NotRequired[Annotated[Any, EMPTY]]
    image: NotRequired[Annotated[Any, EMPTY]]
    input_transformations: NotRequired[Annotated[Any, EMPTY]]
    moderation: NotRequired[Annotated[Any, EMPTY]]
    prompt: NotRequired[Annotated[Any, EMPTY]]
    prompt_cache_diagnostics: NotRequired[Annotated[Any, EMPTY]]
    prompt_cache_options: NotRequired[Annotated[Any, EMPTY]]
    prompt_cache_retention: NotRequired[Annotated[Any, EMPTY]]
    tool_usage: NotRequired[Annotated[Any, EMPTY]]


class DeletedResponse(TypedDict):
    """What is said of a deleted response."""

    id: str
    object: str
    deleted: Literal[True]


_RESPONSE = "/v1/responses/{response_id}"

OPERATIONS = (
    Operation("Responses", "POST", "/v1/responses", "Answer", CreateResponse, Response, writes=(JSON, EVENTS)),
    Operation("Responses", "GET", _RESPONSE, "Retrieve a stored one", gives=Response),
    Operation("Responses", "DELETE", _RESPONSE, "Forget a stored one", gives=DeletedResponse),
    Operation(
        "Responses", "POST", f"{_RESPONSE}/cancel", "Cancel one", gives=Response, note="400: none is asynchronous"
    ),
    Operation("Responses", "GET", f"{_RESPONSE}/input_items", "What was asked", gives=Page[Item]),
)
