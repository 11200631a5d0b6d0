"""OTLP over HTTP, as https://opentelemetry.io/docs/specs/otlp/ has it: protobuf or JSON, plain or compressed."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tuneloop.errors import InvalidInput, TooLarge, UnsupportedMedia
from tuneloop.types import Json

MessageT = TypeVar("MessageT", bound=Message)
Media = Literal["application/x-protobuf", "application/json"]

PROTOBUF: Media = "application/x-protobuf"
JSON: Media = "application/json"
#: bytes that a body may have once it is inflated
MOST_BYTES = 64 * 1024 * 1024

#: hex digits of the ids, which protobuf's own JSON would have in base64
_IDS = {"traceId": 16, "trace_id": 16, "spanId": 8, "span_id": 8, "parentSpanId": 8, "parent_span_id": 8}
_LOGS_JSON = re.compile(rb'(\xef\xbb\xbf)?\s*\{\s*"resource(Logs|_logs)"\s*:')


def media(content_type: str) -> Media:
    """Which of the two encodings a Content-Type names; none is OTLP's default, protobuf. Raises UnsupportedMedia."""
    named = content_type.partition(";")[0].strip().lower()
    if named in ("", PROTOBUF, "application/protobuf"):
        return PROTOBUF
    if named == JSON:
        return JSON
    raise UnsupportedMedia(
        f"OTLP comes as {PROTOBUF} or {JSON}, not {named!r}; set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
    )


def inflate(body: bytes, encoding: str, most: int = MOST_BYTES) -> bytes:
    """The body as it was before it was compressed. Raises TooLarge, InvalidInput and UnsupportedMedia."""
    named = encoding.strip().lower()
    if named in ("", "identity", "none") or not body:
        return body
    if named not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedMedia(f"Content-Encoding {encoding!r} is not known here; gzip, deflate and none are")
    pieces, size = [], 0
    while body:
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # told by its head: gzip or zlib
        try:
            piece = inflater.decompress(body, most - size + 1)
        except zlib.error as error:
            raise InvalidInput(f"the body is not valid {named}: {error}") from error
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise TooLarge(f"the body is larger than {most} bytes once it is inflated; send fewer spans at a time")
        if not inflater.eof:
            raise InvalidInput(f"the body is not valid {named}: it breaks off")
        body = inflater.unused_data
    return b"".join(pieces)


def traces(body: bytes, encoding: Media) -> ExportTraceServiceRequest:
    """A request with spans. Raises InvalidInput."""
    request = _read(body, encoding, ExportTraceServiceRequest, ("resourceSpans", "resource_spans"))
    if body and encoding == PROTOBUF and not request.resource_spans:
        raise InvalidInput("the body is no ExportTraceServiceRequest: it holds no resource_spans")
    return request


def logs(body: bytes, encoding: Media) -> ExportLogsServiceRequest:
    """A request with log records. Raises InvalidInput."""
    request = _read(body, encoding, ExportLogsServiceRequest, ("resourceLogs", "resource_logs"))
    if body and encoding == PROTOBUF and not request.resource_logs:
        raise InvalidInput("the body is no ExportLogsServiceRequest: it holds no resource_logs")
    return request


def is_logs(content_type: str, encoding: str, body: bytes) -> bool:
    """Whether a body is OTLP's log records rather than calls in our own form, which come neither in protobuf nor
    compressed."""
    foreign = "protobuf" in content_type.lower() or encoding.lower() not in ("", "identity")
    return foreign or _LOGS_JSON.match(body) is not None


def traces_answer(encoding: Media, refused: int) -> bytes:
    """What is answered when `refused` spans were not taken."""
    answer = ExportTraceServiceResponse()
    if refused:
        answer.partial_success.rejected_spans = refused
        answer.partial_success.error_message = "a span needs a trace_id of 16 bytes and a span_id of 8, not all zero"
    return _write(answer, encoding)


def logs_answer(encoding: Media, refused: int) -> bytes:
    """What is answered when `refused` log records were not taken."""
    answer = ExportLogsServiceResponse()
    if refused:
        answer.partial_success.rejected_log_records = refused
        answer.partial_success.error_message = "only the gen_ai.* events of spans are kept here"
    return _write(answer, encoding)


def _write(answer: Message, encoding: Media) -> bytes:
    if encoding == PROTOBUF:
        return bytes(answer.SerializeToString())
    return orjson.dumps(json_format.MessageToDict(answer))


def _read(body: bytes, encoding: Media, kind: Callable[[], MessageT], names: tuple[str, str]) -> MessageT:
    request = kind()
    if not body:
        return request
    if encoding == PROTOBUF:
        try:
            request.ParseFromString(body)
        except DecodeError as error:
            raise InvalidInput(f"the body is not valid protobuf: {error}") from error
        return request
    sent = _parse(body)
    if sent and not any(name in sent for name in names):
        raise InvalidInput(f"expected an object with {names[0]!r}", param=names[0])
    for owner in _owners(sent):
        for name in _IDS.keys() & owner.keys():
            owner[name] = _in_base64(owner[name], _IDS[name])
    try:
        json_format.ParseDict(sent, request, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidInput(f"the body is not valid OTLP: {error}") from error
    return request


def _parse(body: bytes) -> dict[str, Any]:
    try:
        sent = orjson.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(sent, dict):
        raise InvalidInput(f"The body must be a JSON object, not {type(sent).__name__}.")
    return sent


def _owners(sent: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that have ids: spans, their links, and log records."""
    groups = _items([sent], "resourceSpans", "resource_spans", "resourceLogs", "resource_logs")
    scopes = _items(groups, "scopeSpans", "scope_spans", "scopeLogs", "scope_logs")
    owners = _items(scopes, "spans", "logRecords", "log_records")
    yield from owners
    yield from _items(owners, "links")


def _items(owners: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    lists = (owner[name] for owner in owners for name in names if isinstance(owner.get(name), list))
    return [item for items in lists for item in items if isinstance(item, dict)]


def _in_base64(identity: Json, length: int) -> str:
    """An id in base64, which was in hex or is so already; "" where it is neither, so that its span is refused."""
    if not isinstance(identity, str):
        return ""
    try:
        raw = bytes.fromhex(identity)
    except ValueError:
        raw = b""
    if len(raw) != length:
        try:
            raw = base64.b64decode(identity, validate=True)
        except ValueError:
            raw = b""
    return base64.b64encode(raw).decode() if len(raw) == length else ""
