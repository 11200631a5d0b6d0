"""What a call's span measured and was told: model, tokens, cost, parameters, and why the answer ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuneloop.importers.otlp import conventions
from tuneloop.importers.otlp.spans import Span
from tuneloop.importers.otlp.values import count, first, mapping, number, sequence, text
from tuneloop.types import Json

_MODEL = (
    "gen_ai.request.model",
    "llm.request.model_name",
    "llm.model_name",
    "embedding.model_name",
    "langfuse.observation.model.name",
    "llm.request.model",
    "ai.model.id",
)
_SERVED_BY = ("gen_ai.response.model", "llm.response.model_name", "ai.response.model", "llm.response.model")
_RESPONSE_ID = ("gen_ai.response.id", "ai.response.id", "llm.response.id")
_PROMPT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt",
    "llm.usage.prompt_tokens",
    "ai.usage.inputTokens",
    "ai.usage.promptTokens",
    "ai.usage.tokens",
)
_COMPLETION_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.token_count.completion",
    "llm.usage.completion_tokens",
    "ai.usage.outputTokens",
    "ai.usage.completionTokens",
)
_CACHED = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.cachedInputTokens",
)
_REASONING = (
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.reasoning_tokens",
    "llm.token_count.completion_details.reasoning",
    "ai.usage.reasoningTokens",
)
_COST = ("gen_ai.usage.cost", "llm.cost.total", "operation.cost", "gen_ai.usage.total_cost")
_STREAM = ("gen_ai.request.stream", "gen_ai.is_streaming", "llm.is_streaming")
_FIRST_TOKEN = frozenset(
    {"First Token Stream Event", "gen_ai.content.completion.chunk", "llm.content.completion.chunk"}
    | {"ai.stream.firstChunk", "gen_ai.choice.chunk"}
)
#: attributes that are parameters of OpenAI's request under another name
_PARAMETERS = {
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.top_k": "top_k",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.max_completion_tokens": "max_completion_tokens",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.seed": "seed",
    "gen_ai.openai.request.seed": "seed",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.n": "n",
    "gen_ai.request.reasoning_effort": "reasoning_effort",
    "gen_ai.request.stream": "stream",
    "llm.frequency_penalty": "frequency_penalty",
    "llm.presence_penalty": "presence_penalty",
    "llm.chat.stop_sequences": "stop",
}
#: parameters that are taken over from a request that is kept whole
_KNOWN_PARAMETERS = frozenset(_PARAMETERS.values()) | {
    "logit_bias",
    "logprobs",
    "metadata",
    "parallel_tool_calls",
    "response_format",
    "service_tier",
    "stream_options",
    "tool_choice",
    "top_logprobs",
    "user",
    "verbosity",
}
#: other providers' words for why an answer ended
_REASONS = {
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "max_tokens": "length",
    "safety": "content_filter",
    "refusal": "content_filter",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What a span says of its call; fields as in Log."""

    model: str | None
    served_by: str | None
    response_id: str | None
    stream: bool
    first_token_ms: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float | None
    #: OpenAI's usage object; empty when nothing was counted
    usage: Mapping[str, Json]
    #: temperature and the like, under OpenAI's names
    parameters: Mapping[str, Json]
    error_type: str
    #: why each choice ended, in OpenAI's words
    finish_reasons: Sequence[str | None]

    def finish_reason(self, index: int) -> str | None:
        """Why this choice ended; None where the span does not say."""
        return self.finish_reasons[index] if index < len(self.finish_reasons) else None


def measures(span: Span) -> Measures:
    """Read a span's attributes."""
    values = span.attributes
    parameters = _parameters(span)
    details = mapping(values.get("langfuse.observation.usage_details"))
    told = {**values, "langfuse.input": details.get("input"), "langfuse.output": details.get("output")}
    prompt, completion = (
        count(told, *_PROMPT_TOKENS, "langfuse.input"),
        count(told, *_COMPLETION_TOKENS, "langfuse.output"),
    )
    costs = mapping(values.get("langfuse.observation.cost_details"))
    raw = {**mapping(values.get("llm.invocation_parameters")), **conventions.raw_request(span)}
    answer = conventions.raw_response(span)
    return Measures(
        model=(text(values, *_MODEL) or text(raw, "model") or "").strip('"') or None,
        served_by=text(values, *_SERVED_BY) or text(answer, "model"),
        response_id=text(values, *_RESPONSE_ID) or text(answer, "id"),
        stream=any(values.get(name) is True for name in _STREAM) or parameters.get("stream") is True,
        first_token_ms=_first_token_ms(span),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=number({**values, "langfuse": costs.get("total")}, *_COST, "langfuse"),
        usage=_usage(values, prompt, completion),
        parameters=parameters,
        error_type=text(values, "error.type") or "server_error",
        finish_reasons=_finish_reasons(values),
    )


def worded(reason: str | None) -> str | None:
    """Why an answer ended, in OpenAI's words."""
    if reason is None:
        return None
    word = reason.lower().replace("-", "_")
    return _REASONS.get(word, word)


def _finish_reasons(values: Mapping[str, Json]) -> list[str | None]:
    listed = sequence(values.get("gen_ai.response.finish_reasons"))
    single = first(values, "llm.finish_reason", "gen_ai.response.finish_reason", "llm.response.finish_reason")
    reasons = listed or [single or first(values, "ai.response.finishReason", "llm.response.stop_reason")]
    return [worded(reason) if isinstance(reason, str) else None for reason in reasons]


def _parameters(span: Span) -> dict[str, Json]:
    values = span.attributes
    found: dict[str, Json] = {}
    for request in (
        conventions.raw_request(span),
        mapping(values.get("langfuse.observation.model.parameters")),
        mapping(values.get("llm.invocation_parameters")),
        {_PARAMETERS[name]: value for name, value in values.items() if name in _PARAMETERS},
    ):
        found |= {name: value for name, value in request.items() if name in _KNOWN_PARAMETERS and value is not None}
    return found


def _first_token_ms(span: Span) -> float | None:
    seconds = number(span.attributes, "gen_ai.response.time_to_first_chunk", "gen_ai.server.time_to_first_token")
    if seconds is not None:
        return seconds * 1000
    if (given := number(span.attributes, "ai.response.msToFirstChunk")) is not None:
        return given
    at = min((event.at for event in span.events if event.name in _FIRST_TOKEN), default=None)
    return None if at is None else max(at - span.start, 0.0) * 1000


def _usage(values: Mapping[str, Json], prompt: int | None, completion: int | None) -> dict[str, Json]:
    if prompt is None and completion is None:
        return {}
    usage: dict[str, Json] = {
        "prompt_tokens": prompt or 0,
        "completion_tokens": completion or 0,
        "total_tokens": (prompt or 0) + (completion or 0),
    }
    if (cached := count(values, *_CACHED)) is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    if (reasoning := count(values, *_REASONING)) is not None:
        usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return usage
