"""What a call's bytes say: tokens, texts, finish reason, the answer itself, whole or streamed. Pure functions."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tuneloop import items
from tuneloop.errors import InvalidInput
from tuneloop.types import Json, Message, Tool

#: levels of JSON: more than any schema or row has, fewer than what recursive code (ours, an engine's) can go down
DEEPEST = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """What an answer says of itself; fields as in Log."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    response_id: str | None = None
    output_text: str = ""
    error: str | None = None


def measure(answer: Json) -> Measured:
    """Read an answer (of any endpoint, whole or from `assemble`); whatever is not as expected is left out."""
    if not isinstance(answer, dict):
        return Measured()
    if answer.get("object") == "response":
        return _measure_response(answer)
    usage = _mapping(answer.get("usage"))
    choice = _first_choice(answer)
    embeddings = answer.get("object") == "list"  # the only answers without completion tokens
    return Measured(
        prompt_tokens=_integer(usage.get("prompt_tokens")),
        completion_tokens=_integer(usage.get("completion_tokens", 0 if embeddings and usage else None)),
        finish_reason=_text(choice.get("finish_reason")),
        response_id=_text(answer.get("id")),
        output_text=_answer_text(choice),
        error=_error_message(answer.get("error")),
    )


def _measure_response(answer: Mapping[str, Json]) -> Measured:
    """An answer of the Responses API, with the finish reason that chat would have given."""
    usage = _mapping(answer.get("usage"))
    message = items.answer(answer.get("output")) or {}
    reason = _text(_mapping(answer.get("incomplete_details")).get("reason"))
    if answer.get("status", "completed") == "completed":
        reason = "tool_calls" if "tool_calls" in message else "stop"
    return Measured(
        prompt_tokens=_integer(usage.get("input_tokens")),
        completion_tokens=_integer(usage.get("output_tokens")),
        finish_reason="length" if reason == "max_output_tokens" else reason,
        response_id=_text(answer.get("id")),
        output_text=_answer_text({"message": message}),
        error=_error_message(answer.get("error")),
    )


def input_text(request: Mapping[str, Json]) -> str:
    """The text of the last user message (of chat, of Responses), of the prompt, or the first text to embed."""
    for name in ("messages", "input"):
        given = request.get(name)
        for message in reversed(given) if isinstance(given, list) else ():
            if isinstance(message, dict) and message.get("role") == "user":
                return content_text(message.get("content"))
    given = request.get("prompt", request.get("input"))
    if isinstance(given, list) and given:
        given = given[0]
    return given if isinstance(given, str) else ""


def content_text(content: Json) -> str:
    """The text of a message's content: a string, or the text parts of a list joined by line ends."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def text_of(message: Message) -> str:
    """What graders compare: the text of a message, or of one that calls tools the calls as JSON.

    A call is `{"name", "arguments"}`; several are an array of them.
    """
    if calls := message.get("tool_calls"):
        shown = [_call(c.get("function") or {}) for c in calls]
        return orjson.dumps(shown[0] if len(shown) == 1 else shown, option=orjson.OPT_SORT_KEYS).decode()
    return content_text(message.get("content"))


def _call(function: Mapping[str, Json]) -> dict[str, Json]:
    arguments = function.get("arguments") or "{}"
    try:
        arguments = orjson.loads(arguments)
    except ValueError:
        pass  # models write broken arguments too: shown as they are, they compare as wrong
    return {"name": function.get("name"), "arguments": arguments}


def metadata_of(request: Mapping[str, Json]) -> dict[str, str]:
    """The body's `metadata` with every value as a string; what is no string becomes JSON."""
    metadata = request.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in metadata.items()}


def conversation(request: Mapping[str, Json]) -> tuple[list[Message], list[Tool]]:
    """The messages and tools of a request of chat or of Responses; no messages for other requests. Raises InvalidInput
    for what the request alone does not tell, or chat has no words for."""
    messages = request.get("messages")
    if isinstance(messages, list):
        return messages, request.get("tools") or []
    if request.get("previous_response_id"):
        raise InvalidInput("it goes on from an earlier response", param="previous_response_id")
    found = items.messages(items.listed(request.get("input")))
    if found and (instructions := request.get("instructions")):
        found = [{"role": "system", "content": instructions}, *found]
    return found, items.functions(request.get("tools"))


def answer_of(body: bytes) -> Message | None:
    """The assistant's message in the bytes of an answer, whole or a stream of events; None where there is none."""
    answer = _mapping(whole(body))
    if answer.get("object") == "response":
        return items.answer(answer.get("output"))
    message = _first_choice(answer).get("message")
    return dict(message) if isinstance(message, dict) else None


def whole(body: bytes) -> Json:
    """The answer that these bytes are, whole or a stream of events."""
    return parse(body) if body.lstrip()[:1] in b"{[" else assemble(body)


def error_text(body: bytes) -> str:
    """What an error answer says: OpenAI's message, else the beginning of the body."""
    return _error_message(_mapping(parse(body)).get("error")) or body[:1000].decode("utf-8", "replace")


def is_deep(raw: bytes, value: Json) -> bool:
    """Whether a value, which was parsed from `raw`, is nested more than DEEPEST levels deep."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        inside = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in inside if isinstance(inner, dict | list)]
    return bool(level)


def parse(body: bytes) -> Json:
    """JSON, or None where there is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def events(stream: bytes) -> Iterator[Json]:
    """The JSON of each event of a server-sent stream, in order; what is not JSON (`[DONE]`, comments) is skipped."""
    for line in stream.splitlines():
        if line.startswith(b"data:"):
            value = parse(line[5:])
            if value is not None:
                yield value


def assemble(stream: bytes) -> dict[str, Json]:
    """The whole answer that a stream's events add up to: choices with message or text, usage, id, model; of Responses,
    the response as its last event has it."""
    said = [event for event in events(stream) if isinstance(event, dict)]
    if said and "choices" not in said[0] and str(said[0].get("type")).startswith("response."):
        return _response(said)
    return add_up(said)


def add_up(chunks: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """The whole answer that chunks of chat or completions add up to."""
    answer: dict[str, Json] = {}
    choices: dict[int, dict[str, Json]] = {}
    for event in chunks:
        for key, value in event.items():
            if key != "choices" and value is not None:
                answer[key] = value
        for piece in event.get("choices") or ():
            if isinstance(piece, dict):
                _add_piece(choices, piece)
    if answer.get("object") == "chat.completion.chunk":
        answer["object"] = "chat.completion"
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _response(events: Sequence[Json]) -> dict[str, Json]:
    """The response of a stream. One that broke off has what was said until then."""
    snapshots = [event["response"] for event in events if isinstance(event.get("response"), dict)]
    response: dict[str, Json] = snapshots[-1] if snapshots else {}
    errors = [event["error"] for event in events if "error" in event]
    if errors:
        response = {**response, "error": errors[-1]}
    if response.get("status") != "in_progress":
        return response
    done = [event["item"] for event in events if event.get("type") == "response.output_item.done"]
    # Text items end with their "done" event, so what came after the last one is the item that broke off.
    rest = itertools.takewhile(lambda event: event.get("type") != "response.output_item.done", reversed(events))
    deltas = [str(event.get("delta")) for event in rest if event.get("type") == "response.output_text.delta"]
    text = {"type": "output_text", "text": "".join(reversed(deltas))}
    return {**response, "output": [*done, {"type": "message", "content": [text]}] if deltas else done}


def _add_piece(choices: dict[int, dict[str, Json]], piece: Mapping[str, Json]) -> None:
    index = _integer(piece.get("index")) or 0
    choice = choices.setdefault(index, {"index": index, "finish_reason": None})
    if piece.get("finish_reason") is not None:
        choice["finish_reason"] = piece["finish_reason"]
    if isinstance(piece.get("text"), str):
        choice["text"] = choice.get("text", "") + piece["text"]
    if isinstance(piece.get("logprobs"), dict):
        _add_logprobs(choice, piece["logprobs"])
    if isinstance(piece.get("delta"), dict):
        message = choice.setdefault("message", {"role": "assistant", "content": None})
        _add_delta(message, piece["delta"])


def _add_delta(message: dict[str, Json], delta: Mapping[str, Json]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            _add_tool_calls(message.setdefault("tool_calls", []), value)
        elif key == "role":
            message["role"] = value
        elif isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        elif isinstance(value, dict):
            _add_delta(message.setdefault(key, {}), value)


def _add_logprobs(choice: dict[str, Json], logprobs: Mapping[str, Json]) -> None:
    """Chat has lists under "content" and "refusal", completions several that belong together."""
    known = choice.setdefault("logprobs", {})
    for key, value in logprobs.items():
        if isinstance(value, list):
            known[key] = known.get(key) or []
            known[key] += value
        else:
            known.setdefault(key, value)


def _add_tool_calls(calls: list[dict[str, Json]], pieces: Json) -> None:
    for piece in pieces if isinstance(pieces, list) else ():
        if not isinstance(piece, dict):
            continue
        index = _integer(piece.get("index")) or 0
        while len(calls) <= index < 1000:  # an index from the wire must not decide how much memory we take
            calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
        if index < len(calls):
            _add_tool_call(calls[index], piece)


def _add_tool_call(call: dict[str, Json], piece: Mapping[str, Json]) -> None:
    for key in ("id", "type"):
        if piece.get(key):
            call[key] = piece[key]
    for key, value in _mapping(piece.get("function")).items():
        if isinstance(value, str):
            call["function"][key] = call["function"].get(key, "") + value


def _first_choice(answer: Mapping[str, Json]) -> Mapping[str, Json]:
    choices = answer.get("choices")
    return _mapping(choices[0]) if isinstance(choices, list) and choices else {}


def _answer_text(choice: Mapping[str, Json]) -> str:
    message = choice.get("message")
    if not isinstance(message, dict):
        return _text(choice.get("text")) or ""
    called = message.get("tool_calls") or message.get("function_call")
    if called:
        return orjson.dumps(called).decode()
    return content_text(message.get("content")) or _text(message.get("refusal")) or ""


def _error_message(error: Json) -> str | None:
    return _text(_mapping(error).get("message", error))


def _mapping(value: Json) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _integer(value: Json) -> int | None:
    countable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31
    return value if countable else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
