"""What a call's bytes say: tokens, texts, finish reason, the answer itself, whole or streamed. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tuneloop.types import Json, Message


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
    """Read an answer (of chat or completions, whole or from `assemble`); whatever is not as expected is left out."""
    if not isinstance(answer, dict):
        return Measured()
    usage = _mapping(answer.get("usage"))
    choice = _first_choice(answer)
    return Measured(
        prompt_tokens=_integer(usage.get("prompt_tokens")),
        completion_tokens=_integer(usage.get("completion_tokens")),
        finish_reason=_text(choice.get("finish_reason")),
        response_id=_text(answer.get("id")),
        output_text=_answer_text(choice),
        error=_error_message(answer.get("error")),
    )


def input_text(request: Mapping[str, Json]) -> str:
    """The text of the last user message (of chat) or the prompt (of completions)."""
    messages = request.get("messages")
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role") == "user":
                return content_text(message.get("content"))
        return ""
    prompt = request.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def content_text(content: Json) -> str:
    """The text of a message's content: a string, or the text parts of a list joined by line ends."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part.get("text") for part in content if isinstance(part, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def metadata_of(request: Mapping[str, Json]) -> dict[str, str]:
    """The body's `metadata` with every value as a string; what is no string becomes JSON."""
    metadata = request.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    return {key: value if isinstance(value, str) else orjson.dumps(value).decode() for key, value in metadata.items()}


def answer_of(body: bytes) -> Message | None:
    """The assistant's message in the bytes of an answer, whole or a stream of events; None where there is none."""
    whole = assemble(body) if body.lstrip().startswith(b"data:") else parse(body)
    message = _first_choice(_mapping(whole)).get("message")
    return dict(message) if isinstance(message, dict) else None


def error_text(body: bytes) -> str:
    """What an error answer says: OpenAI's message, else the beginning of the body."""
    return _error_message(_mapping(parse(body)).get("error")) or body[:1000].decode("utf-8", "replace")


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
    """The whole answer that a stream's events add up to: choices with message or text, usage, id, model."""
    answer: dict[str, Json] = {}
    choices: dict[int, dict[str, Json]] = {}
    for event in events(stream):
        if not isinstance(event, dict):
            continue
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


def _add_piece(choices: dict[int, dict[str, Json]], piece: Mapping[str, Json]) -> None:
    index = _integer(piece.get("index")) or 0
    choice = choices.setdefault(index, {"index": index, "finish_reason": None})
    if piece.get("finish_reason") is not None:
        choice["finish_reason"] = piece["finish_reason"]
    if isinstance(piece.get("text"), str):
        choice["text"] = choice.get("text", "") + piece["text"]
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
