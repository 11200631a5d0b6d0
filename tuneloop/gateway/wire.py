"""Bytes in and out: reading a request, checking what routing needs, and which headers travel on."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

import orjson

from tuneloop import fields
from tuneloop.calls import DEEPEST, is_deep
from tuneloop.errors import InvalidInput, TuneloopError, Unauthorized, UnsupportedMedia
from tuneloop.protocols import Endpoint
from tuneloop.types import Json

# The types of ASGI, as its specification has them.
Scope = MutableMapping[str, Any]
AsgiMessage = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[AsgiMessage]]
Send = Callable[[AsgiMessage], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Header = tuple[bytes, bytes]
Headers = list[Header]

JSON: Header = (b"content-type", b"application/json")

#: they concern one connection only (RFC 9110, section 7.6.1)
_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te")
    + (b"trailer", b"transfer-encoding", b"upgrade")
)
#: the caller's key is for us, and an answer that we log must not be compressed
_NOT_SENT = _HOP_BY_HOP | {
    b"host",
    b"content-length",
    b"authorization",
    b"accept-encoding",
    b"expect",
    b"cookie",
    b"x-tuneloop-priority",
}
#: we send our own
_NOT_ANSWERED = _HOP_BY_HOP | {
    b"content-length",
    b"date",
    b"server",
    b"set-cookie",
    b"x-request-id",
    b"content-encoding",
}
#: what a call says that others go before
PATIENT = (b"x-tuneloop-priority", b"low")

#: version, trace, span, flags; ids of zeros are none, and later versions may add fields
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")

_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')


class ClientGone(Exception):
    """The client hung up before it had sent its request."""


async def read_body(receive: Receive) -> bytes:
    """The whole body. Raises ClientGone."""
    message = await receive()
    parts: list[bytes] = []
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)
        message = await receive()


def bearer(authorization: bytes) -> str:
    """The key of an Authorization header. Raises Unauthorized when there is none."""
    scheme, _, key = authorization.partition(b" ")
    if scheme.lower() == b"bearer" and (key := key.strip()):
        return key.decode("latin-1")
    raise Unauthorized(
        "You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY'; "
        "`tuneloop serve` prints the key at its first start."
    )


def trace_of(headers: Iterable[Header]) -> tuple[str, str] | tuple[None, None]:
    """The ids, in hex, of the trace that a call belongs to and of the span that made it (W3C Trace Context)."""
    for name, value in headers:
        if name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)):
            trace_id, span_id = match.groups()
            return trace_id.decode(), span_id.decode()
    return None, None


def check_json(content_type: bytes) -> None:
    """Raises UnsupportedMedia when a body is declared to be something else than JSON."""
    if content_type in (b"application/json", b""):
        return
    media = content_type.partition(b";")[0].strip().lower()
    if media != b"application/json" and not media.endswith(b"+json"):
        raise UnsupportedMedia(
            f"Unsupported content type: '{content_type.decode('latin-1')}'. This API method only accepts "
            "'application/json' requests. (With curl, pass -H 'Content-Type: application/json'.)"
        )


def parse_json(raw: bytes) -> Any:
    """The body as JSON: RFC 8259 (no NaN, no half characters), at most 100 levels deep. Raises InvalidInput."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"We could not parse the JSON body of your request: {error}") from error
    if is_deep(raw, value):
        raise InvalidInput(f"The JSON body of your request is nested more than {DEEPEST} levels deep.")
    return value


def parse_request(raw: bytes) -> dict[str, Json]:
    """The body as an object. Raises InvalidInput."""
    asked = parse_json(raw)
    if not isinstance(asked, dict):
        raise InvalidInput(f"The body must be a JSON object, not {type(asked).__name__}.")
    return asked


def check_request(asked: Mapping[str, Json], *, chat: bool) -> None:
    """Refuse what cannot be routed or answered; the rest is the engine's to judge. Raises InvalidInput."""
    model = asked.get("model")
    if model is None or model == "":
        raise InvalidInput("You must provide a model parameter.", param="model", code="missing_required_parameter")
    fields.typed(model, str, "model")
    if chat and not fields.typed(fields.required(asked, "messages"), list, "messages"):
        raise InvalidInput(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )


def outgoing_body(endpoint: Endpoint, asked: Mapping[str, Json], raw: bytes) -> bytes:
    """The caller's bytes, with the model's name changed where the endpoint knows another one."""
    if endpoint.model is not None and endpoint.model != asked["model"]:
        raw = _renamed(raw, asked, endpoint.model)
    return raw if endpoint.dialect is None else endpoint.dialect.request(asked, raw)


def _renamed(raw: bytes, asked: Mapping[str, Json], model: str) -> bytes:
    # A quote inside a JSON string is escaped, so the pattern finds keys only. With one such key it is ours, and the
    # other bytes (numbers as they were written, too) stay as they are.
    matches = list(_MODEL.finditer(raw))
    if len(matches) != 1:
        return orjson.dumps({**asked, "model": model})
    start, end = matches[0].span()
    return b'%b"model":%b%b' % (raw[:start], orjson.dumps(model), raw[end:])


def outgoing_headers(headers: Iterable[Header], api_key: str | None) -> Headers:
    """The caller's headers that concern the upstream, with our key in place of the caller's."""
    passed = [(name, value) for name, value in headers if name not in _NOT_SENT]
    if api_key is not None:
        passed.append((b"authorization", b"Bearer " + api_key.encode("latin-1")))
    return passed


def is_patient(headers: Iterable[Header]) -> bool:
    """Whether a call says that others go before it."""
    return PATIENT in headers


def answer_headers(headers: Iterable[Header]) -> Headers:
    """The upstream's headers that concern the caller."""
    return [(name, value) for name, value in headers if name.lower() not in _NOT_ANSWERED]


def is_event_stream(headers: Iterable[Header]) -> bool:
    """Whether the answer is a stream of server-sent events."""
    return any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


def error_event(error: TuneloopError) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + error_bytes(error) + b"\n\n"


def error_bytes(error: TuneloopError) -> bytes:
    """The body of an error answer."""
    return orjson.dumps(error.body())


async def send_error(send: Send, error: TuneloopError) -> None:
    """Answer with an error."""
    await send_whole(send, error.status, [JSON], error_bytes(error))


async def send_whole(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Answer with `body` in one piece."""
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
