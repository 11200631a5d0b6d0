"""Spans as OpenTelemetry's protocol has them, taken out of its messages."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1 import trace_pb2

from tuneloop.types import Json

#: the event that repeats the attributes of its span and has the messages besides
DETAILS = "gen_ai.client.inference.operation.details"


class Moment(NamedTuple):
    """Something that happened within a span: OpenTelemetry's event."""

    name: str
    #: seconds since 1970
    at: float
    attributes: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A piece of work. Ids are in hex, times in seconds since 1970.

    Of a span that only its events tell of, there is no name and no end.
    """

    trace_id: str
    span_id: str
    parent_id: str | None = None
    name: str | None = None
    start: float
    end: float | None = None
    failed: bool = False
    #: what its status says
    message: str = ""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    events: Sequence[Moment] = ()
    #: attributes of the program that sent it (`service.name`)
    resource: Mapping[str, Json] = field(default_factory=dict)


class Taken(NamedTuple):
    """What a request brought: the spans, and how many things in it were none."""

    spans: list[Span]
    refused: int


def of_traces(request: ExportTraceServiceRequest) -> Taken:
    """The spans of a request; those without valid ids are refused."""
    spans, refused = [], 0
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                if _valid(span.trace_id, 16) and _valid(span.span_id, 8):
                    spans.append(_span(span, resource))
                else:
                    refused += 1
    return Taken(spans, refused)


def of_logs(request: ExportLogsServiceRequest) -> Taken:
    """The spans that the `gen_ai.` events of a request tell of; everything else is refused."""
    found: dict[tuple[bytes, bytes], list[Moment]] = {}
    resources, refused = {}, 0
    for group in request.resource_logs:
        for record in (record for scope in group.scope_logs for record in scope.log_records):
            moment = _moment(record)
            key = (record.trace_id, record.span_id)
            if not (moment.name.startswith("gen_ai.") and _valid(key[0], 16) and _valid(key[1], 8)):
                refused += 1
                continue
            found.setdefault(key, []).append(moment)
            resources[key] = group.resource.attributes
    spans = [
        Span(
            trace_id=trace_id.hex(),
            span_id=span_id.hex(),
            start=moments[0].at,
            attributes={k: v for m in moments if m.name == DETAILS for k, v in m.attributes.items()},
            events=moments,
            resource=_attributes(resources[trace_id, span_id]),
        )
        for (trace_id, span_id), moments in found.items()
    ]
    return Taken(spans, refused)


def _valid(identity: bytes, length: int) -> bool:
    return len(identity) == length and any(identity)


def _span(span: trace_pb2.Span, resource: Mapping[str, Json]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if _valid(span.parent_span_id, 8) else None,
        name=span.name,
        start=span.start_time_unix_nano / 1e9,
        end=max(span.end_time_unix_nano, span.start_time_unix_nano) / 1e9 if span.end_time_unix_nano else None,
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        message=span.status.message,
        attributes=_attributes(span.attributes),
        events=[Moment(e.name, e.time_unix_nano / 1e9, _attributes(e.attributes)) for e in span.events],
        resource=resource,
    )


def _moment(record: LogRecord) -> Moment:
    attributes = _attributes(record.attributes)
    body = _value(record.body)
    said = body if isinstance(body, dict) else {} if body is None else {"content": body}
    name = record.event_name or str(attributes.get("event.name", ""))
    return Moment(name, (record.time_unix_nano or record.observed_time_unix_nano) / 1e9, {**attributes, **said})


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Json]:
    return dict(_pairs(pairs))


def _pairs(pairs: Iterable[KeyValue]) -> Iterator[tuple[str, Json]]:
    for pair in pairs:
        yield pair.key, _value(pair.value)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case _:
            return getattr(value, kind)
