"""Chat completions, and the stored ones. The states are those of local models; to an upstream all goes through."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.words import EMPTY, EVENTS, IGNORED, JSON, Deleted, Field, Operation, Page, works

Metadata = dict[str, str]


class TextPart(TypedDict):
    """A piece of a message."""

    type: Annotated[Literal["text", "refusal"], Field("works", "image_url, input_audio and file are refused")]
    text: NotRequired[str]
    refusal: NotRequired[str]


class FunctionCall(TypedDict):
    """A function and its arguments as JSON."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """A call that a model makes of a tool."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: NotRequired[str | list[TextPart] | None]
    name: NotRequired[str]
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    refusal: NotRequired[str | None]
    function_call: NotRequired[Annotated[FunctionCall | None, works("the older form of tool_calls")]]
    audio: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]


class Function(TypedDict):
    """A function that a model may call."""

    name: str
    description: NotRequired[str]
    parameters: NotRequired[Annotated[dict[str, Any], works("a JSON Schema; arguments are held to it")]]
    strict: NotRequired[Annotated[bool | None, works("true in any case")]]


class Tool(TypedDict):
    """A tool that a model may call."""

    type: Annotated[Literal["function"], Field("works", "custom is refused")]
    function: Function


class JsonSchema(TypedDict):
    """The form of an answer."""

    name: str
    schema: NotRequired[Annotated[dict[str, Any], works("enforced while the answer is decoded")]]
    strict: NotRequired[Annotated[bool | None, works("true in any case")]]
    description: NotRequired[Annotated[str, IGNORED]]


class ResponseFormat(TypedDict):
    """What an answer is to be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NotRequired[JsonSchema]


class StreamOptions(TypedDict, total=False):
    """What a stream brings along."""

    include_usage: bool
    include_obfuscation: Annotated[bool, IGNORED]


class CreateChatCompletion(TypedDict):
    """A conversation to be gone on with."""

    model: str
    messages: Annotated[list[Message], Bounds(min_length=1)]
    frequency_penalty: NotRequired[Annotated[float, Bounds(ge=-2, le=2)] | None]
    function_call: NotRequired[Annotated[str | dict[str, Any], works("the older form of tool_choice")]]
    functions: NotRequired[Annotated[list[Function], works("the older form of tools")]]
    logit_bias: NotRequired[dict[str, float] | None]
    logprobs: NotRequired[bool | None]
    max_completion_tokens: NotRequired[int | None]
    max_tokens: NotRequired[int | None]
    metadata: NotRequired[Annotated[Metadata | None, works("kept with the log")]]
    n: NotRequired[Annotated[Annotated[int, Bounds(ge=1, le=128)] | None, works("1 to 128")]]
    parallel_tool_calls: NotRequired[bool]
    presence_penalty: NotRequired[Annotated[float, Bounds(ge=-2, le=2)] | None]
    response_format: NotRequired[ResponseFormat]
    seed: NotRequired[int | None]
    stop: NotRequired[Annotated[str | list[str] | None, works("up to 4")]]
    store: NotRequired[Annotated[bool | None, works("lists it among the stored completions")]]
    stream: NotRequired[bool | None]
    stream_options: NotRequired[StreamOptions | None]
    temperature: NotRequired[Annotated[float, Bounds(ge=0, le=2)] | None]
    tool_choice: NotRequired[
        Annotated[str | dict[str, Any], works("none, auto, required, a function's name, allowed_tools")]
    ]
    tools: NotRequired[list[Tool]]
    top_logprobs: NotRequired[Annotated[Annotated[int, Bounds(ge=0, le=20)] | None, works("with logprobs")]]
    top_p: NotRequired[Annotated[float, Bounds(ge=0, le=1)] | None]
    user: NotRequired[Annotated[str, works("kept with the log")]]
    audio: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    modalities: NotRequired[Annotated[list[str] | None, works("text; others are refused")]]
    moderation: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    prompt: NotRequired[
        Annotated[
            dict[str, Any] | None,
            works("Tuneloop's own: a kept prompt, `{id or name, version, variables}`; model and messages may be its"),
        ]
    ]
    prediction: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    prompt_cache_key: NotRequired[Annotated[str | None, IGNORED]]
    prompt_cache_options: NotRequired[Annotated[dict[str, Any] | None, IGNORED]]
    prompt_cache_retention: NotRequired[Annotated[str | None, IGNORED]]
    reasoning_effort: NotRequired[Annotated[str | None, IGNORED]]
    safety_identifier: NotRequired[Annotated[str, IGNORED]]
    service_tier: NotRequired[Annotated[str | None, IGNORED]]
    verbosity: NotRequired[Annotated[str | None, IGNORED]]
    web_search_options: NotRequired[Annotated[dict[str, Any], IGNORED]]


class Usage(TypedDict):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, Any] | None]
    completion_tokens_details: NotRequired[dict[str, Any] | None]


class AnswerMessage(TypedDict):
    """What a model says."""

    role: str
    content: str | None
    refusal: NotRequired[str | None]
    annotations: NotRequired[list[Any] | None]
    audio: NotRequired[Annotated[dict[str, Any] | None, EMPTY]]
    function_call: NotRequired[FunctionCall | None]
    tool_calls: NotRequired[list[ToolCall] | None]


class Choice(TypedDict):
    """One of the answers."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None
    logprobs: NotRequired[Annotated[dict[str, Any] | None, works("content: one entry a token, with top_logprobs")]]


class ChatCompletion(TypedDict):
    """What came back; with `stream`, its pieces as server-sent events."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: NotRequired[Usage | None]
    metadata: NotRequired[Metadata | None]
    service_tier: NotRequired[str | None]
    system_fingerprint: NotRequired[str | None]
    moderation: NotRequired[Annotated[dict[str, Any] | None, EMPTY]]


class UpdateChatCompletion(TypedDict):
    """Other metadata."""

    metadata: Metadata | None


class StoredMessage(TypedDict):
    """A message of a stored completion."""

    id: str
    role: str
    content: str | None
    content_parts: NotRequired[list[Any] | None]


_CHATS = "/v1/chat/completions"
_CHAT = f"{_CHATS}/{{completion_id}}"

OPERATIONS = (
    Operation(
        "Chat", "POST", _CHATS, "Answer a conversation", CreateChatCompletion, ChatCompletion,
        writes=(JSON, EVENTS),
        note="every call becomes a Log, whose id is in the header x-tuneloop-log-id; "
        "llama.cpp's top_k, min_p, repeat_penalty and grammar are taken too",
    ),
    Operation("Chat", "GET", _CHATS, "List stored ones", gives=Page[ChatCompletion], by_metadata=True),
    Operation("Chat", "GET", _CHAT, "Retrieve a stored one", gives=ChatCompletion),
    Operation("Chat", "POST", _CHAT, "Change its metadata", UpdateChatCompletion, ChatCompletion),
    Operation("Chat", "DELETE", _CHAT, "Forget a stored one", gives=Deleted, note="its Log stays"),
    Operation("Chat", "GET", f"{_CHAT}/messages", "What was asked", gives=Page[StoredMessage]),
)  # fmt: skip
