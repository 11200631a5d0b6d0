"""One row of somebody's log -> a Log and its Scores. Four shapes are told apart by their keys:

- a logged call: {"messages": [...], "completion": {...} or text, "model"?, "created_at"?, "latency_ms"?, "usage"?,
  "user"?, "metadata"?, "feedback"?: {"rating", "correction", "comment"}, "scores"?: [...], "error"?, "status"?, "id"?}
- request and response as they went over the wire: {"request": {...}, "response": {...}, the same other keys}
- an OpenAI stored completion: {"object": "chat.completion", "choices": [...], "messages" or "input": [...]}
- a chat-format training row: {"messages": [..., {"role": "assistant", ...}], "tools"?}
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from tuneloop import calls, scores
from tuneloop.errors import InvalidInput
from tuneloop.protocols import Cost
from tuneloop.store.ids import content_id
from tuneloop.types import Json, Log, Message, Score

#: what people say about a call afterwards: not part of what the call was
_AFTERWARDS = ("feedback", "scores")


class Imported(NamedTuple):
    """A row as it will be stored."""

    log: Log
    scores: list[Score]


def to_log(row: Mapping[str, Any], *, source: str, cost: Cost, log_id: str | None = None) -> Imported:
    """The Log and Scores of one row; without `log_id` its id is the hash of the row, so that a second import of
    the row is recognised. `cost` prices the call. Raises InvalidInput naming the field."""
    request, response = _wire(row)
    model = row.get("model") or request.get("model") or response.get("model") or "unknown"
    if not isinstance(model, str):
        raise InvalidInput(f"'model' must be a text, not {model!r}", param="model")
    if log_id is None:
        log_id = content_id("log_", {key: value for key, value in row.items() if key not in _AFTERWARDS})
    measured = calls.measure(response)
    user = row.get("user", request.get("user"))
    log = Log(
        id=log_id,
        created_at=_moment(row.get("created_at", row.get("created", response.get("created")))),
        source=source,
        endpoint="/v1/chat/completions",
        model=model,
        served_by=model,
        stream=request.get("stream") is True,
        prompt_tokens=measured.prompt_tokens,
        completion_tokens=measured.completion_tokens,
        cost=_cost(measured, model, cost),
        finish_reason=measured.finish_reason,
        user=user if isinstance(user, str) else None,
        metadata=_metadata(row, request),
        response_id=measured.response_id,
        input_text=calls.input_text(request),
        output_text=measured.output_text,
        request=orjson.dumps({"model": model, **request}),
        response=orjson.dumps(response),
        **_outcome(row),
    )
    return Imported(log, _scores_of(row, log))


def _cost(measured: calls.Measured, model: str, cost: Cost) -> float | None:
    if measured.prompt_tokens is None or measured.completion_tokens is None:
        return None
    return cost(None, model, measured.prompt_tokens, measured.completion_tokens)


def _wire(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Request and response, whatever the shape of the row."""
    if isinstance(row.get("request"), Mapping):
        request, response = row["request"], row.get("response") or {}
        _messages(request, "request.messages")
        if not isinstance(response, Mapping):
            raise InvalidInput("'response' must be an object", param="response")
        return dict(request), dict(response)
    if isinstance(row.get("choices"), Sequence):
        messages = _messages({"messages": row.get("messages") or row.get("input") or _asked(row)}, "messages")
        return {"messages": messages, **_kept(row, "tools", "temperature", "metadata")}, _kept(row, *_RESPONSE)
    messages = _messages(row, "messages")
    if "completion" in row:
        answer = _answer(row["completion"])
    elif messages[-1].get("role") == "assistant":
        messages, answer = messages[:-1], dict(messages[-1])
    else:
        raise InvalidInput("there is no answer: give 'completion', or end 'messages' with one", param="completion")
    finish_reason = answer.pop("finish_reason", None) or row.get("finish_reason") or "stop"
    choice = {"index": 0, "message": answer, "finish_reason": finish_reason}
    response = {"object": "chat.completion", "choices": [choice], **_kept(row, "usage")}
    return {"messages": messages, **_kept(row, "tools", "parallel_tool_calls", "temperature")}, response


_RESPONSE = ("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier")


def _kept(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _asked(row: Mapping[str, Any]) -> Json:
    request = row.get("request")
    return request.get("messages") if isinstance(request, Mapping) else None


def _messages(row: Mapping[str, Any], where: str) -> list[Message]:
    messages = row.get("messages")
    if isinstance(messages, Mapping):  # a list page of the API
        messages = messages.get("data")
    if not isinstance(messages, list) or not messages:
        known = "known shapes: messages + completion, request + response, stored completion, chat training row"
        raise InvalidInput(f"'{where}' must be a list with at least one message ({known})", param=where)
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidInput(f"'{where}[{i}]' must be an object with a 'role'", param=f"{where}[{i}].role")
    return messages


def _answer(completion: Json) -> Message:
    if isinstance(completion, Mapping):
        return {"role": "assistant", **completion}
    if completion is None or isinstance(completion, str):
        return {"role": "assistant", "content": completion}
    raise InvalidInput(f"'completion' must be a message or a text, not {completion!r}", param="completion")


def _outcome(row: Mapping[str, Any]) -> dict[str, Any]:
    error = row.get("error")
    status = row.get("status", 500 if error else 200)
    if isinstance(status, bool) or not isinstance(status, int):
        raise InvalidInput(f"'status' must be an HTTP status such as 200, not {status!r}", param="status")
    latency = row.get("latency_ms")
    if latency is not None and (isinstance(latency, bool) or not isinstance(latency, int | float)):
        raise InvalidInput(f"'latency_ms' must be a number, not {latency!r}", param="latency_ms")
    text = error if isinstance(error, str) or error is None else orjson.dumps(error).decode()
    return {"status": status, "error": text, "latency_ms": latency}


def _metadata(row: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, str]:
    """The row's own id becomes metadata `id`, so that feedback can name it."""
    metadata = {**calls.metadata_of(request), **calls.metadata_of(row)}
    if isinstance(row.get("id"), str):
        metadata.setdefault("id", row["id"])
    return metadata


def _moment(value: Json) -> float:
    if value is None:
        return time.time()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise InvalidInput(
            f"'created_at' must be seconds since 1970 or a time such as 2026-08-31T12:00:00Z, not {value!r}",
            param="created_at",
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _scores_of(row: Mapping[str, Any], log: Log) -> list[Score]:
    feedback, listed = row.get("feedback"), row.get("scores") or []
    found = [_feedback(feedback)] if feedback is not None and feedback != {} else []
    if isinstance(listed, Mapping):
        listed = [{"name": name, "value": value} for name, value in listed.items()]
    if not isinstance(listed, list):
        raise InvalidInput("'scores' must be a list of {name, value}", param="scores")
    return [scores.read(fields, log.id, param=f"scores[{i}]") for i, fields in enumerate([*found, *listed])]


def _feedback(feedback: Json) -> dict[str, Any]:
    if not isinstance(feedback, Mapping):
        return {"name": "rating", "value": feedback}
    fields = {"name": "rating", **_kept(feedback, "name", "correction", "comment", "user", "source")}
    return fields | {"value": feedback.get("value", feedback.get("rating"))}
