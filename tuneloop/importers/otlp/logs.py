"""A span -> a Log. Calls of a model become what the gateway would have logged; other spans keep their place only."""

from __future__ import annotations

import time
from dataclasses import fields, replace
from typing import Any

import orjson

from tuneloop import calls
from tuneloop.importers.otlp import conventions
from tuneloop.importers.otlp.conventions import INPUTS, OUTPUTS, Answer
from tuneloop.importers.otlp.kinds import kind_of
from tuneloop.importers.otlp.measures import Measures, measures, worded
from tuneloop.importers.otlp.notes import metadata_of, user_of
from tuneloop.importers.otlp.spans import Span
from tuneloop.importers.otlp.values import as_text, first, nested, parsed, text
from tuneloop.protocols import Cost
from tuneloop.types import Json, Log

_CHAT, _EMBEDDINGS = "/v1/chat/completions", "/v1/embeddings"
#: what a step of a chain, a tool or an agent was given, and what it gave back
_GIVEN = (
    *INPUTS,
    "gen_ai.tool.call.arguments",
    "ai.toolCall.args",
    "tool_arguments",
    "tool.parameters",
    "gen_ai.retrieval.query.text",
    "gen_ai.input.messages",
    "input",
)
_GAVE = (
    *OUTPUTS,
    "gen_ai.tool.call.result",
    "ai.toolCall.result",
    "tool_response",
    "final_result",
    "ai.response.text",
    "gen_ai.retrieval.documents",
    "gen_ai.output.messages",
    "output",
)
#: HTTP statuses, as numbers and as the exceptions that OpenAI's and Anthropic's libraries make of them
_FAILURES = {str(status): status for status in range(400, 600)} | {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
}
#: the model of a call that does not name one
UNKNOWN = "unknown"


def to_log(span: Span, cost: Cost) -> Log:
    """The Log of a span; its id is made of the span's, so that a span that is sent again is recognised."""
    kind = kind_of(span)
    log = Log(
        id=f"log_{span.trace_id}{span.span_id}",
        created_at=span.start or time.time(),
        source="trace",
        endpoint="",
        model="",
        latency_ms=None if span.end is None else (span.end - span.start) * 1000,
        user=user_of(span),
        metadata=metadata_of(span),
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        span_name=span.name,
        span_kind=kind,
        attributes=span.attributes,
        **_outcome(span),
    )
    if kind in ("llm", "embedding"):
        return _call(log, span, cost)
    return _step(log, span)


def merged(old: Log, new: Log) -> Log:
    """Two versions of a span in one: the later one, unless only the earlier has ended; what it lacks is the other's."""
    base, other = (old, new) if new.latency_ms is None and old.latency_ms is not None else (new, old)
    base = replace(
        base,
        metadata={**other.metadata, **base.metadata},
        attributes={**(other.attributes or {}), **(base.attributes or {})},
    )
    if base.span_kind != other.span_kind:  # only one of them knew what the span was
        return base
    missing = {
        field.name: getattr(other, field.name)
        for field in fields(Log)
        if field.name not in ("error", "metadata", "attributes") and getattr(base, field.name) in (None, "", UNKNOWN)
    }
    return replace(
        base,
        **missing,
        request=_merged_body(base.request, other.request),
        response=_merged_body(base.response, other.response, unless="error"),
    )


def _merged_body(base: bytes, other: bytes, *, unless: str = "") -> bytes:
    """What the one says and, unless it says `unless`, what only the other says."""
    said = orjson.loads(base)
    return base if unless in said else orjson.dumps({**orjson.loads(other), **said})


def _outcome(span: Span) -> dict[str, Any]:
    if not span.failed:
        return {"status": 200}
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    said = span.message or text(raised, "exception.message") or text(span.attributes, "error.message")
    kind = text(span.attributes, "error.type") or text(raised, "exception.type")
    codes = (
        text(span.attributes, "http.response.status_code", "http.status_code"),
        kind,
        (kind or "").rpartition(".")[2],
    )
    status = next((_FAILURES[code] for code in codes if code and code in _FAILURES), 500)
    return {"status": status, "error": said or kind or "the span failed and does not say why"}


def _call(log: Log, span: Span, cost: Cost) -> Log:
    found = measures(span)
    model = found.model or found.served_by or UNKNOWN
    answers = conventions.answered(span) if log.span_kind == "llm" else []
    request = _chat_request(span, found) if log.span_kind == "llm" else _embedding_request(span)
    response = _response(log, found, answers)
    return replace(
        log,
        endpoint=_CHAT if log.span_kind == "llm" else _EMBEDDINGS,
        model=model,
        served_by=found.served_by or (model if log.status == 200 and model != UNKNOWN else None),
        user=log.user or text(found.parameters, "user"),
        stream=found.stream,
        first_token_ms=found.first_token_ms,
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.completion_tokens,
        cost=found.cost if found.cost is not None else _cost(found, log.span_kind, model, cost),
        finish_reason=response["choices"][0]["finish_reason"] if answers else found.finish_reason(0),
        response_id=found.response_id,
        input_text=calls.input_text(request) or _words(request.get("input")),
        output_text=calls.measure(response).output_text,
        request=orjson.dumps({"model": model, **request} if model != UNKNOWN else request),
        response=orjson.dumps(response),
    )


def _chat_request(span: Span, found: Measures) -> dict[str, Json]:
    messages, tools = conventions.asked(span), conventions.tools(span)
    request: dict[str, Json] = {"messages": messages} if messages else {}
    return request | ({"tools": tools} if tools else {}) | dict(found.parameters)


def _embedding_request(span: Span) -> dict[str, Json]:
    listed = nested(span.attributes, "embedding.embeddings")
    items = (item.get("embedding") for item in listed or () if isinstance(item, dict))
    texts = [words for item in items if isinstance(item, dict) and (words := text(item, "text"))]
    texts = texts or [calls.content_text(message["content"]) for message in conventions.asked(span)]
    return {"input": texts[0] if len(texts) == 1 else texts} if texts else {}


def _response(log: Log, found: Measures, answers: list[Answer]) -> dict[str, Json]:
    """OpenAI's answer, as far as it is known; of a failed call that said nothing, OpenAI's error."""
    if log.error is not None and not answers:
        return {"error": {"message": log.error, "type": found.error_type, "param": None, "code": None}}
    response: dict[str, Json] = {"object": "chat.completion" if log.span_kind == "llm" else "list"}
    if found.response_id:
        response["id"] = found.response_id
    if found.served_by:
        response["model"] = found.served_by
    if answers:
        response["created"] = int(log.created_at)
        response["choices"] = [
            {"index": i, "message": answer.message, "finish_reason": _finish_reason(answer, found, i)}
            for i, answer in enumerate(answers)
        ]
    if found.usage:
        response["usage"] = found.usage
    return response


def _finish_reason(answer: Answer, found: Measures, index: int) -> str:
    given = worded(answer.finish_reason) or found.finish_reason(index)
    return given or ("tool_calls" if answer.message.get("tool_calls") else "stop")


def _cost(found: Measures, kind: str | None, model: str, cost: Cost) -> float | None:
    if found.prompt_tokens is None or (found.completion_tokens is None and kind == "llm"):
        return None
    names = dict.fromkeys((model, found.served_by or model))
    prices = (cost(None, name, found.prompt_tokens, found.completion_tokens or 0) for name in names)
    return next((price for price in prices if price is not None), None)


def _step(log: Log, span: Span) -> Log:
    """Input and output stand under a name that no request has, so that nobody takes an agent's messages for a call."""
    given = parsed(first(span.attributes, *_GIVEN))
    gave = parsed(first(span.attributes, *_GAVE))
    if gave is None:
        gave = nested(span.attributes, "retrieval.documents")
    return replace(
        log,
        input_text=_words(given),
        output_text=_words(gave),
        request=orjson.dumps({"value": given} if given is not None else {}),
        response=orjson.dumps({"value": gave} if gave is not None else {}),
    )


def _words(value: Json) -> str:
    return "" if value is None else as_text(value)
