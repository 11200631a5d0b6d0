"""POST /v1/traces: what real exporters and instrumentations send, what they resend, and what nobody should."""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.unit.api_server import KEY, Running, running
from tests.unit.instrumented import ASKED, ASKED_ON, CALL
from tuneloop import datasets, filters
from tuneloop.errors import InvalidInput
from tuneloop.importers.otlp import wire
from tuneloop.testing import Answer, UpstreamFake

PROTOBUF = "application/x-protobuf"
TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("home")) as made:
        yield made


def listed(server: Running, **query: str) -> list[dict[str, Any]]:
    answer = server.client.get("/v1/logs", params={"limit": "100", **query})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])


def provider(server: Running, compression: Compression = Compression.NoCompression) -> TracerProvider:
    exporter = OTLPSpanExporter(
        endpoint=f"{server.url}/v1/traces", headers={"Authorization": f"Bearer {KEY}"}, compression=compression
    )
    made = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.mark.parametrize("compression", Compression)
def test_the_sdks_own_exporter(server: Running, compression: Compression) -> None:
    tracer = provider(server, compression).get_tracer("shop")
    with tracer.start_as_current_span("answer a ticket", attributes={"openinference.span.kind": "CHAIN"}) as root:
        with pytest.raises(TimeoutError), tracer.start_as_current_span("look it up") as child:
            child.set_attribute("gen_ai.operation.name", "execute_tool")
            raise TimeoutError("the shelf is empty")
    trace_id = f"{root.get_span_context().trace_id:032x}"
    found = {log["span_name"]: log for log in listed(server, trace_id=trace_id.upper())}
    chain, tool = found["answer a ticket"], found["look it up"]
    assert tool["parent_id"] == chain["span_id"] == f"{root.get_span_context().span_id:016x}"
    assert (chain["parent_id"], chain["status"], chain["error"]) == (None, 200, None)
    assert (tool["status"], tool["error"]) == (500, "TimeoutError: the shelf is empty")
    assert tool["attributes"] == {"gen_ai.operation.name": "execute_tool"}
    assert (chain["metadata"], chain["source"], tool["span_kind"]) == ({"service": "shop"}, "trace", "tool")
    assert abs(chain["created_at"] - time.time()) < 60 and 0 <= tool["latency_ms"] <= chain["latency_ms"]
    assert [log["span_name"] for log in listed(server, parent_id=chain["span_id"])] == ["look it up"]
    assert [log["id"] for log in listed(server, span_id=tool["span_id"])] == [tool["id"]]
    assert [log["id"] for log in listed(server, where=f"trace_id = {trace_id} and status >= 400")] == [tool["id"]]


@pytest.mark.parametrize("instrumentation", ["openllmetry", "openinference"])
def test_real_instrumentations_of_openais_library(server: Running, instrumentation: str) -> None:
    environ = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Bearer%20{KEY}",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    with UpstreamFake() as upstream:
        upstream.enqueue(Answer(tool_calls=[CALL]), Answer(text="It is cold"), Answer(status=429, text="Slow down"))
        command = [sys.executable, "-m", "tests.unit.instrumented", instrumentation, upstream.base_url]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    trace_id, root = done.stdout.split()
    found = listed(server, trace_id=trace_id, where="span_kind = llm")
    failed, streamed, called = found
    assert {(log["parent_id"], log["model"]) for log in found} == {(root, "gpt-4o-mini")}
    assert (called["request"]["messages"], called["request"]["temperature"]) == (ASKED, 0.5)
    assert [tool["function"]["name"] for tool in called["request"]["tools"]] == ["weather"]
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert called["response"]["choices"] == [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    assert streamed["request"]["messages"] == ASKED_ON
    assert streamed["response"]["choices"][0]["message"]["content"] == "It is cold"
    assert streamed["stream"] and 0 < streamed["first_token_ms"] <= streamed["latency_ms"]
    assert (streamed["prompt_tokens"], streamed["completion_tokens"]) == (5, 3)
    assert (streamed["response_id"], streamed["finish_reason"]) == ("chatcmpl-fake", "stop")
    assert streamed["cost"] > 0
    assert (failed["status"], "Slow down" in failed["error"]) == (429, True)


def one_span(**fields: Any) -> dict[str, Any]:
    span = {"traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT, "name": "chat", "kind": 3}
    times = {"startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001500000000"}
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o-mini"}
    return {**span, **times, "attributes": pairs(attributes), **fields}


def pairs(attributes: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]


def sent(*spans: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


def post(server: Running, body: bytes, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.post("/v1/traces", content=body, headers=named)


def test_json_with_ids_in_hex_or_base64(server: Running) -> None:
    in_base64 = {
        name: base64.b64encode(bytes.fromhex(identity)).decode()
        for name, identity in {"traceId": TRACE, "spanId": SPAN, "parentSpanId": PARENT}.items()
    }
    for changed in ({}, {"traceId": TRACE.upper()}, in_base64, {"links": [{"traceId": TRACE, "spanId": PARENT}]}):
        answer = post(
            server, json.dumps(sent(one_span(**changed))).encode(), content_type="application/json; charset=utf-8"
        )
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["content-type"] == "application/json"
        (log,) = listed(server, trace_id=TRACE)
        assert (log["id"], log["parent_id"], log["created_at"]) == (f"log_{TRACE}{SPAN}", PARENT, 1700000000.0)
        assert (log["latency_ms"], log["model"]) == (1500.0, "gpt-4o-mini")


def test_values_of_every_type(server: Running) -> None:
    values = {
        "text": {"stringValue": "é\u0000"},
        "whole": {"intValue": "-9223372036854775808"},
        "real": {"doubleValue": 0.5},
        "no number": {"doubleValue": "NaN"},
        "truth": {"boolValue": True},
        "bytes": {"bytesValue": "AAE="},
        "list": {"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}},
        "object": {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 2}}]}},
        "nothing": {},
    }
    attributes = [{"key": key, "value": value} for key, value in values.items()]
    span_id = "00000000000000aa"
    body = json.dumps(sent(one_span(spanId=span_id, attributes=attributes, futureField=1))).encode()
    assert post(server, body, content_type="application/json").status_code == 200
    (log,) = listed(server, span_id=span_id)
    assert log["attributes"] == {
        "text": "é\ufffd",
        "whole": -(2**63),
        "real": 0.5,
        "no number": None,
        "truth": True,
        "bytes": "AAE=",
        "list": [1, "b"],
        "object": {"a": 2},
        "nothing": None,
    }


def test_nothing_is_nothing_wrong(server: Running) -> None:
    for headers in ({}, {"content_type": PROTOBUF}, {"content_type": PROTOBUF, "content_encoding": "gzip"}):
        answer = post(server, b"", **headers)
        assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    for body in (b"", b"{}", b'{"resourceSpans": []}'):
        answer = post(server, body, content_type="application/json")
        assert (answer.status_code, answer.content) == (200, b"{}")


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"rubbish", {"content_type": PROTOBUF}, 400, None),
        (b"\x08\x01", {"content_type": PROTOBUF}, 400, None),
        (b"rubbish", {"content_type": "application/json"}, 400, None),
        (b"[]", {"content_type": "application/json"}, 400, None),
        (b'{"spans": []}', {"content_type": "application/json"}, 400, None),
        (b'{"resourceSpans": 1}', {"content_type": "application/json"}, 400, None),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 1}]}]}]}',
            {"content_type": "application/json"},
            400,
            None,
        ),
        (b"\xff\xfe", {"content_type": "application/json"}, 400, None),
        (b"{}", {"content_type": "text/plain"}, 415, "unsupported_content_type"),
        (b"{}", {"content_type": "application/json", "content_encoding": "br"}, 415, "unsupported_content_type"),
        (b"not gzip", {"content_type": PROTOBUF, "content_encoding": "gzip"}, 400, None),
        (gzip.compress(b"{}")[:-4], {"content_type": "application/json", "content_encoding": "gzip"}, 400, None),
        (gzip.compress(b"{}") + b"x", {"content_type": "application/json", "content_encoding": "gzip"}, 400, None),
    ],
)
def test_what_is_no_trace(server: Running, body: bytes, headers: dict[str, str], status: int, code: str | None) -> None:
    answer = post(server, body, **headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], set(error)) == (status, code, {"message", "type", "param", "code"})


def test_a_wrong_key(server: Running) -> None:
    answer = post(server, b"", authorization="Bearer wrong", content_type=PROTOBUF)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_gzip_that_inflates_without_end(server: Running) -> None:
    bomb = gzip.compress(bytes(wire.MOST_BYTES + 1))
    assert len(bomb) < 100_000
    started = time.monotonic()
    answer = post(server, bomb, content_type=PROTOBUF, content_encoding="gzip")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert time.monotonic() - started < 5


def test_other_compressions() -> None:
    assert wire.inflate(zlib.compress(b"abc"), "deflate") == b"abc"
    assert wire.inflate(gzip.compress(b"abc") + gzip.compress(b"def"), "GZIP") == b"abcdef"
    assert wire.inflate(b"abc", "identity") == b"abc"


def test_spans_without_ids_are_refused_and_the_others_kept(server: Running) -> None:
    good, no_trace = one_span(spanId="00000000000000ab"), one_span(traceId="0" * 32)
    spans = sent(good, no_trace, one_span(spanId="zz"), one_span(spanId=7), one_span(spanId=None))
    answer = post(server, json.dumps(spans).encode(), content_type="application/json")
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "4"
    assert "trace_id" in answer.json()["partialSuccess"]["errorMessage"]
    assert len(listed(server, span_id="00000000000000ab")) == 1
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="no ids")
    answer = post(server, request.SerializeToString(), content_type=PROTOBUF)
    told = ExportTraceServiceResponse.FromString(answer.content)
    assert (answer.status_code, told.partial_success.rejected_spans) == (200, 1)


def test_a_span_sent_again_is_one_log_and_keeps_its_scores(server: Running) -> None:
    span_id = "00000000000000ac"
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "late", "metadata": '{"ticket": "7"}'}
    early = one_span(spanId=span_id, endTimeUnixNano="0", attributes=pairs({"gen_ai.request.model": "early", "a": "1"}))
    late = one_span(spanId=span_id, attributes=pairs(told))
    in_json = {"content_type": "application/json"}
    assert post(server, json.dumps(sent(early)).encode(), **in_json).status_code == 200
    (log,) = listed(server, span_id=span_id)
    assert log["latency_ms"] is None
    assert server.client.post("/v1/feedback", json={"log_id": log["id"], "value": "good"}).status_code == 200
    for spans in ([late], [early], [early, late], [late, early]):
        assert post(server, json.dumps(sent(*spans)).encode(), **in_json).status_code == 200
        (log,) = listed(server, span_id=span_id)
        assert (log["model"], log["latency_ms"], log["attributes"]["a"]) == ("late", 1500.0, "1")
    assert [score["value"] for score in log["scores"]] == ["good"]
    assert len(listed(server, where="metadata.ticket = 7", span_id=span_id)) == 1


def record(name: str, span_id: str, body: dict[str, str]) -> dict[str, Any]:
    fields = [{"key": key, "value": {"stringValue": value}} for key, value in body.items()]
    return {
        "eventName": name,
        "traceId": TRACE,
        "spanId": span_id,
        "timeUnixNano": "1700000000000000000",
        "body": {"kvlistValue": {"values": fields}},
    }


def test_messages_that_come_as_log_records(server: Running) -> None:
    span_id = "00000000000000ad"
    records = [
        record("gen_ai.user.message", span_id, {"content": "Hi?"}),
        record("gen_ai.choice", span_id, {"message": "Hi!", "finish_reason": "stop"}),
        record("something.else", span_id, {}),
    ]
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    answer = server.client.post("/v1/logs", json=body)
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"
    assert (
        post(server, json.dumps(sent(one_span(spanId=span_id))).encode(), content_type="application/json").status_code
        == 200
    )
    (log,) = listed(server, span_id=span_id)
    assert log["request"] == {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi?"}]}
    assert log["response"]["choices"][0]["message"] == {"role": "assistant", "content": "Hi!"}
    assert (log["span_name"], log["input_text"], log["latency_ms"]) == ("chat", "Hi?", 1500.0)


def test_the_log_record_that_has_the_details(server: Running) -> None:
    span_id = "00000000000000ae"
    details = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Hi?"}]}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Hi!"}]}]),
    }
    told = record("gen_ai.client.inference.operation.details", span_id, {}) | {"attributes": pairs(details)}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [told]}]}]}
    assert server.client.post("/v1/logs", json=body).json() == {}
    (log,) = listed(server, span_id=span_id)
    assert (log["span_kind"], log["model"], log["input_text"]) == ("llm", "gpt-4o-mini", "Hi?")
    agent = one_span(spanId=span_id, attributes=pairs({"gen_ai.operation.name": "invoke_agent"}))
    assert post(server, json.dumps(sent(agent)).encode(), content_type="application/json").status_code == 200
    (log,) = listed(server, span_id=span_id)
    assert (log["span_kind"], log["endpoint"], log["attributes"]["gen_ai.request.model"]) == (
        "agent",
        "",
        "gpt-4o-mini",
    )
    assert "messages" not in log["request"]


def test_no_log_records_and_rubbish(server: Running) -> None:
    empty = server.client.post("/v1/logs", content=b"", headers={"content-type": PROTOBUF})
    assert (empty.status_code, empty.headers["content-type"]) == (200, PROTOBUF)
    wrong = server.client.post("/v1/logs", content=b"rubbish", headers={"content-type": PROTOBUF})
    assert wrong.status_code == 400
    packed = gzip.compress(ExportLogsServiceRequest().SerializeToString() or b"")
    headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
    assert server.client.post("/v1/logs", content=packed, headers=headers).status_code == 200


def test_spans_become_a_data_set_and_steps_do_not(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        spans = []
        for number in range(12):
            asked = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"question {number}"}]}])
            said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": f"answer {number}"}]}])
            attributes = {"gen_ai.request.model": "gpt", "gen_ai.input.messages": asked, "gen_ai.output.messages": said}
            for operation, digit in (("chat", "a"), ("invoke_agent", "b")):
                named = pairs({"gen_ai.operation.name": operation, **attributes})
                spans.append(one_span(spanId=f"{digit}{number:015d}", attributes=named))
        assert post(server, json.dumps(sent(*spans)).encode(), content_type="application/json").status_code == 200
        made = datasets.create(server.loop.store, "traced", where="source = trace")
        assert made.account == {"matched": 24, "kept": 12, "unusable: not a chat call": 12}


def test_a_call_through_the_gateway_takes_its_place_in_the_callers_trace(server: Running) -> None:
    traceparent = f"00-{TRACE[::-1]}-{PARENT}-01"
    asked = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}
    seen = []
    for header in (traceparent, f"00-{'0' * 32}-{PARENT}-01", "rubbish"):
        answer = server.client.post("/v1/chat/completions", json=asked, headers={"traceparent": header})
        log = server.client.get(f"/v1/logs/{answer.headers['x-tuneloop-log-id']}").json()
        seen.append((log["trace_id"], log["parent_id"]))
        assert (log["span_id"] is None) == (log["trace_id"] is None)
    assert seen == [(TRACE[::-1], PARENT), (None, None), (None, None)]
    (log,) = listed(server, trace_id=TRACE[::-1])
    assert log["source"] == "gateway" and len(log["span_id"]) == 16


def many(count: int, trace_id: bytes) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Why? " * 50}]}])
    for number in range(count):
        span = scope.spans.add(trace_id=trace_id, span_id=(number + 1).to_bytes(8, "big"), name="chat")
        span.start_time_unix_nano, span.end_time_unix_nano = 10**18, 10**18 + 10**9
        span.status.code = trace_pb2.Status.STATUS_CODE_OK
        for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
            span.attributes.add(key=name).value.string_value = messages
        for number in range(10):
            span.attributes.add(key=f"app.{number}").value.int_value = number
    return bytes(request.SerializeToString())


def test_five_thousand_spans_at_once_leave_the_server_answering(server: Running) -> None:
    body, trace_id = many(5000, b"\x01" * 16), "01" * 16
    answers: list[int] = []
    sending = threading.Thread(target=lambda: answers.append(post(server, body, content_type=PROTOBUF).status_code))
    sending.start()
    begun, slowest, partly = time.monotonic(), 0.0, set()
    while sending.is_alive():
        started = time.monotonic()
        assert server.client.get("/health").status_code == 200
        slowest = max(slowest, time.monotonic() - started)
        partly.add(server.loop.store.logs.count(filters.parse(f"trace_id = {trace_id}")))
    sending.join()
    assert answers == [200]
    assert server.loop.store.logs.count(filters.parse(f"trace_id = {trace_id}")) == 5000
    assert partly <= {0, 5000}
    assert slowest < max(1.0, (time.monotonic() - begun) / 2)


@given(st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: many(1, b"\x02" * 16)[:-20] + tail))
def test_no_bytes_break_it(body: bytes) -> None:
    for read in (wire.traces, wire.logs):
        try:
            read(body, wire.PROTOBUF)
        except InvalidInput:
            pass


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([TRACE, SPAN, "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceSpans",
                    "scopeSpans",
                    "spans",
                    "attributes",
                    "key",
                    "value",
                    "stringValue",
                    "intValue",
                    "traceId",
                ]
                + [
                    "spanId",
                    "events",
                    "links",
                    "status",
                    "code",
                    "arrayValue",
                    "values",
                    "kvlistValue",
                    "name",
                    "resource",
                ]
                + [
                    "startTimeUnixNano",
                    "bytesValue",
                    "kind",
                    "parent_span_id",
                    "resourceLogs",
                    "scopeLogs",
                    "logRecords",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["resourceSpans", "resourceLogs"]), _JSON, min_size=1))
def test_no_json_breaks_it(body: dict[str, Any]) -> None:
    for read in (wire.traces, wire.logs):
        try:
            read(json.dumps(body).encode(), wire.JSON)
        except InvalidInput:
            pass


def test_deep_json_is_refused() -> None:
    value = '{"arrayValue":{"values":[' * 400 + "]}}" * 400
    body = json.dumps(sent(one_span(attributes=[{"key": "a", "value": "X"}]))).replace('"X"', value)
    with pytest.raises(InvalidInput):
        wire.traces(body.encode(), wire.JSON)
