"""Where each convention keeps what a call asked and what was answered; the first that says something is believed.

- OpenTelemetry's GenAI conventions: `gen_ai.input.messages` and `gen_ai.output.messages` (on the span or its event
  `gen_ai.client.inference.operation.details`); before them an event for each message (`gen_ai.user.message`,
  `gen_ai.choice`), and before those `gen_ai.prompt` and `gen_ai.completion`
- OpenLLMetry (Traceloop): `gen_ai.prompt.0.content`, `gen_ai.completion.0.content`
- OpenInference (Phoenix, Arize): `llm.input_messages.0.message.content`, `input.value`
- the Vercel AI SDK's `ai.*`, Langfuse's, MLflow's and Logfire's own attributes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from tuneloop.importers.otlp.messages import to_messages, to_tool
from tuneloop.importers.otlp.spans import DETAILS, Moment, Span
from tuneloop.importers.otlp.values import as_text, first, mapping, nested, parsed, sequence, text
from tuneloop.types import Json, Message, Tool

#: attributes that hold what went in, and what came out, of any kind of span
INPUTS = (
    "input.value",
    "request_data",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "traceloop.entity.input",
    "gen_ai.prompt",
    "ai.prompt",
)
OUTPUTS = (
    "output.value",
    "response_data",
    "langfuse.observation.output",
    "mlflow.spanOutputs",
    "traceloop.entity.output",
    "gen_ai.completion",
)
_ROLE_OF_EVENT = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


class Answer(NamedTuple):
    """A choice of an answer: an assistant's message, and why it ended where it did (None when that is not said)."""

    message: Message
    finish_reason: str | None


def asked(span: Span) -> list[Message]:
    """The messages that the model was given."""
    return next((messages for read in _ASKED if (messages := read(span))), [])


def answered(span: Span) -> list[Answer]:
    """What the model said, a choice each."""
    return next((answers for read in _ANSWERED if (answers := read(span))), [])


def tools(span: Span) -> list[Tool]:
    """The tools that the model was offered."""
    values = span.attributes
    functions = mapping(values.get("model_request_parameters")).get("function_tools")  # pydantic-ai
    for listed in (
        first(_with_details(span), "gen_ai.tool.definitions", "gen_ai.request.tools"),
        nested(values, "llm.tools"),
        nested(values, "llm.request.functions"),
        values.get("ai.prompt.tools"),
        functions,
        raw_request(span).get("tools"),
    ):
        if found := [tool for tool in map(to_tool, sequence(listed)) if tool]:
            return found
    return []


def raw_request(span: Span) -> dict[str, Json]:
    """The request as it was sent, where an instrumentation keeps it whole."""
    return next((found for name in INPUTS if "messages" in (found := mapping(span.attributes.get(name)))), {})


def raw_response(span: Span) -> dict[str, Json]:
    """The answer as it came, where an instrumentation keeps it whole."""
    return next((found for name in OUTPUTS if "choices" in (found := mapping(span.attributes.get(name)))), {})


def _with_details(span: Span) -> Mapping[str, Json]:
    """The attributes of the span, and what the event that repeats them says besides."""
    details = [event.attributes for event in span.events if event.name == DETAILS]
    merged: dict[str, Json] = {}
    for values in (*details, span.attributes):
        merged |= values
    return merged


def _genai_asked(span: Span) -> list[Message]:
    values = _with_details(span)
    return _with_system(values.get("gen_ai.system_instructions"), to_messages(values.get("gen_ai.input.messages")))


def _with_system(instructions: Json, messages: list[Message]) -> list[Message]:
    if not instructions or not messages or messages[0]["role"] in ("system", "developer"):
        return messages
    return [*to_messages({"role": "system", "content": parsed(instructions)}), *messages]


def _numbered_asked(span: Span) -> list[Message]:
    for prefix in ("gen_ai.prompt", "llm.prompts"):
        if messages := to_messages(_with_parts(nested(span.attributes, prefix))):
            return messages
    return []


def _with_parts(numbered: Json) -> Json:
    """OpenLLMetry writes content that is no text (images) as JSON."""
    if not isinstance(numbered, list):
        return None
    return [{**item, "content": _blocks(item.get("content"))} for item in numbered if isinstance(item, dict)]


def _blocks(content: Json) -> Json:
    blocks = parsed(content)
    known = isinstance(blocks, list) and all(isinstance(b, dict) and ("type" in b or "text" in b) for b in blocks)
    return blocks if blocks and known else content


def _openinference_asked(span: Span) -> list[Message]:
    return to_messages(nested(span.attributes, "llm.input_messages"))


def _events(span: Span) -> Iterator[Moment]:
    yield from span.events
    for item in sequence(span.attributes.get("events")):  # pydantic-ai and Logfire keep them in an attribute
        if isinstance(item, dict):
            yield Moment(str(item.get("event.name")), span.start, item)


def _body(values: Mapping[str, Json]) -> dict[str, Json]:
    body = mapping(first(values, "gen_ai.event.content", "event.body", "body")) or dict(values)
    return {**body, "content": _blocks(body.get("content"))}


def _event_asked(span: Span) -> list[Message]:
    found: list[Message] = []
    for event in _events(span):
        if event.name == "gen_ai.content.prompt":
            found += to_messages(event.attributes.get("gen_ai.prompt"))
        elif role := _ROLE_OF_EVENT.get(event.name):
            body = _body(event.attributes)
            found += to_messages({**body, "role": text(body, "role") or role})
    return found


def _vercel_asked(span: Span) -> list[Message]:
    return to_messages(span.attributes.get("ai.prompt.messages"))


def _raw_asked(span: Span) -> list[Message]:
    """From a request as it was sent, or whatever else the input was: the model was given it."""
    for name in INPUTS:
        value = parsed(span.attributes.get(name))
        messages = _sent(value) if isinstance(value, dict) and "role" not in value else to_messages(value)
        if messages:
            return messages
    return []


def _sent(request: Mapping[str, Json]) -> list[Message]:
    listed = first(request, "messages", "input", "contents", "prompt")
    messages = _with_system(first(request, "system", "instructions"), to_messages(listed))
    return messages or to_messages([as_text(request)])


_ASKED: tuple[Callable[[Span], list[Message]], ...] = (
    _genai_asked,
    _numbered_asked,
    _openinference_asked,
    _event_asked,
    _vercel_asked,
    _raw_asked,
)


def _answers(values: Iterable[Json]) -> list[Answer]:
    """An answer for each message that says something."""
    found = []
    for value in values:
        reason = text(value, "finish_reason", "stop_reason") if isinstance(value, dict) else None
        for message in to_messages(value, "assistant"):
            if message.get("content") or message.get("tool_calls") or message.get("refusal"):
                found.append(Answer({**message, "role": "assistant"}, reason))
    return found


def _genai_answered(span: Span) -> list[Answer]:
    return _answers(sequence(_with_details(span).get("gen_ai.output.messages")))


def _numbered_answered(span: Span) -> list[Answer]:
    for prefix in ("gen_ai.completion", "llm.completions"):
        if answers := _answers(_with_parts(nested(span.attributes, prefix)) or ()):
            return answers
    return []


def _openinference_answered(span: Span) -> list[Answer]:
    return _answers(sequence(nested(span.attributes, "llm.output_messages")))


def _event_answered(span: Span) -> list[Answer]:
    found: list[Answer] = []
    for event in _events(span):
        if event.name == "gen_ai.content.completion":
            found += _answers(sequence(event.attributes.get("gen_ai.completion")))
        elif event.name == "gen_ai.choice":
            body = _body(event.attributes)
            said = parsed(body.get("message")) or body
            said = {"content": said} if isinstance(said, list) else said
            reason = text(body, "finish_reason")
            found += [Answer(message, reason) for message, _ in _answers([said])]
    return found


def _vercel_answered(span: Span) -> list[Answer]:
    values = span.attributes
    content = text(values, "ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")
    calls = first(values, "ai.response.toolCalls", "ai.result.toolCalls")
    reason = text(values, "ai.response.finishReason", "ai.finishReason")
    said = {"role": "assistant", "content": content, "tool_calls": calls}
    return [Answer(message, reason) for message, _ in _answers([said])]


def _raw_answered(span: Span) -> list[Answer]:
    for name in OUTPUTS:
        value = parsed(span.attributes.get(name))
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            answers = _answers(value["choices"])
        elif isinstance(value, dict) and isinstance(value.get("output"), list):  # OpenAI's Responses
            answers = _joined(_answers(value["output"]))
        else:
            answers = _answers(value if isinstance(value, list) else [value])
        if answers:
            return answers
    return []


def _joined(answers: list[Answer]) -> list[Answer]:
    """One answer of items that belong together."""
    message: Message = {"role": "assistant", "content": None}
    for said, _ in answers:
        message["content"] = said.get("content") or message["content"]
        if calls := said.get("tool_calls"):
            message["tool_calls"] = [*message.get("tool_calls", ()), *calls]
    return [Answer(message, None)] if answers else []


_ANSWERED: tuple[Callable[[Span], list[Answer]], ...] = (
    _genai_answered,
    _numbered_answered,
    _openinference_answered,
    _event_answered,
    _vercel_answered,
    _raw_answered,
)
