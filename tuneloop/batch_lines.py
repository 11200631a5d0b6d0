"""The lines of a batch's files, as OpenAI has them: requests read and checked, answers written. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from tuneloop import fields
from tuneloop.errors import InvalidInput
from tuneloop.types import Json

MOST_REQUESTS = 50_000
MOST_BYTES = 200 * 1024 * 1024
#: texts to embed, in all requests together
MOST_EMBEDDING_INPUTS = 50_000
#: what is wrong with a file is told of so many lines
MOST_ERRORS = 100
#: why a request has no answer: OpenAI's code, and a sentence
UNANSWERED = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed before the batch was cancelled."),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One line of the input: a call to make. Lines are counted from 1, blank ones too."""

    line: int
    custom_id: str
    body: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What there is in an input file. It can be run when there are no errors ({"code", "line", "message", "param"})."""

    total: int
    model: str
    errors: list[dict[str, Json]]


def check(lines: Iterable[bytes], endpoint: str) -> Checked:
    """Read the whole input and find everything that is wrong with it, as far as OpenAI looks before it begins."""
    errors: list[dict[str, Json]] = []
    seen, size, inputs, model = set[str](), 0, 0, ""
    for number, line in enumerate(lines, start=1):
        size += len(line)
        if size > MOST_BYTES or len(seen) > MOST_REQUESTS or len(errors) >= MOST_ERRORS:
            break
        if not line.strip():
            continue
        try:
            request = _parse(number, line, endpoint)
            if request.custom_id in seen:
                raise _wrong("duplicate_custom_id", "custom_id", _duplicate(request.custom_id))
            seen.add(request.custom_id)
            model = model or str(request.body["model"])
            if request.body["model"] != model:
                raise _wrong("mismatched_model", "body.model", _other_model(str(request.body["model"]), model))
            inputs += _embedding_inputs(request.body) if endpoint == "/v1/embeddings" else 0
        except InvalidInput as error:
            errors.append({"code": error.code, "line": number, "message": error.message, "param": error.param})
    errors += [
        {"code": code, "line": None, "message": text, "param": None} for code, text in _of_all(seen, size, inputs)
    ]
    if not seen and not errors:
        errors = [{"code": "empty_file", "line": None, "message": "The input file has no requests.", "param": None}]
    return Checked(total=len(seen), model=model, errors=errors)


def requests(lines: Iterable[bytes], endpoint: str) -> Iterator[Request]:
    """The requests of a file that has been checked."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _parse(number, line, endpoint)


def answer_line(batch_id: str, request: Request, status: int, request_id: str, body: bytes) -> bytes:
    """A line of the output file (or the error file, for a status of 400 or more), with its line end."""
    response = {"status_code": status, "request_id": request_id, "body": _json(body, status)}
    return _line(batch_id, request, response=response, error=None)


def unanswered_line(batch_id: str, request: Request, why: str) -> bytes:
    """A line of the error file for a request that was never made; `why` is a key of UNANSWERED."""
    code, message = UNANSWERED[why]
    return _line(batch_id, request, response=None, error={"code": code, "message": message})


def tokens(body: bytes) -> dict[str, int]:
    """What an answer says it used, by the names that a Batch has for it."""
    usage = _mapping(_mapping(_json(body, 200)).get("usage"))
    inputs = usage.get("prompt_tokens", usage.get("input_tokens"))
    outputs = usage.get("completion_tokens", usage.get("output_tokens"))
    input_details = _mapping(usage.get("prompt_tokens_details", usage.get("input_tokens_details")))
    output_details = _mapping(usage.get("completion_tokens_details", usage.get("output_tokens_details")))
    return {
        "input_tokens": _count(inputs),
        "cached_tokens": _count(input_details.get("cached_tokens")),
        "output_tokens": _count(outputs),
        "reasoning_tokens": _count(output_details.get("reasoning_tokens")),
    }


def _parse(number: int, line: bytes, endpoint: str) -> Request:
    """Raises InvalidInput with OpenAI's code for what is wrong with the line."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _wrong("invalid_json_line", None, "This line is not parseable as valid JSON.") from error
    if not isinstance(row, dict):
        raise _wrong("invalid_json_line", None, "This line is not a JSON object.")
    custom_id = fields.text(row, "custom_id")
    if fields.text(row, "method") != "POST":
        raise _wrong("invalid_method", "method", f"Invalid value: {row['method']!r}. Supported values are: 'POST'.")
    if fields.text(row, "url") != endpoint:
        message = f"The URL {row['url']!r} does not match the endpoint of the batch, {endpoint!r}."
        raise _wrong("url_mismatch", "url", message)
    body: dict[str, Any] = fields.typed(fields.required(row, "body"), dict, "body")
    fields.text({"body.model": body.get("model")}, "body.model")
    if body.get("stream"):
        raise _wrong("invalid_value", "body.stream", "Answers of a batch are not streamed: leave 'stream' out.")
    return Request(line=number, custom_id=custom_id, body=body)


def _of_all(seen: set[str], size: int, inputs: int) -> Iterator[tuple[str, str]]:
    if size > MOST_BYTES:
        yield "file_too_large", f"The input file is larger than {MOST_BYTES} bytes. Split it into several batches."
    if len(seen) > MOST_REQUESTS:
        yield (
            "too_many_requests",
            f"The input file has more than {MOST_REQUESTS} requests. Split it into several batches.",
        )
    if inputs > MOST_EMBEDDING_INPUTS:
        yield "too_many_inputs", f"The requests have {inputs} inputs in sum; {MOST_EMBEDDING_INPUTS} are allowed."


def _wrong(code: str, param: str | None, message: str) -> InvalidInput:
    return InvalidInput(message, param=param, code=code)


def _duplicate(custom_id: str) -> str:
    return f"The custom_id {custom_id!r} is a duplicate of another request's. It must be unique within a batch."


def _other_model(model: str, first: str) -> str:
    return f"The provided model {model!r} is another than that of the lines before, {first!r}. A batch has one model."


def _embedding_inputs(body: Mapping[str, Json]) -> int:
    given = body.get("input")
    several = isinstance(given, list) and not all(isinstance(item, int) for item in given)
    return len(given) if several and isinstance(given, list) else 1


def _line(batch_id: str, request: Request, **outcome: Json) -> bytes:
    line_id = f"batch_req_{batch_id.removeprefix('batch_')}{request.line:06x}"
    row = {"id": line_id, "custom_id": request.custom_id, **outcome}
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _json(body: bytes, status: int) -> Json:
    """The body, which is JSON unless a proxy on the way has put in something of its own."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        message = body[:1000].decode("utf-8", "replace") or f"an empty answer with status {status}"
        return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _count(value: Json) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0
