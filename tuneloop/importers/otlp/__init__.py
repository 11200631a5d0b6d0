"""OpenTelemetry's traces, brought in as Logs: from any instrumentation of GenAI calls."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tuneloop.importers.otlp import spans, wire
from tuneloop.importers.otlp.logs import merged, to_log
from tuneloop.importers.otlp.wire import is_logs
from tuneloop.protocols import Cost
from tuneloop.store import Store

__all__ = ["Answer", "Signal", "is_logs", "take"]

Signal = Literal["traces", "logs"]


class Answer(NamedTuple):
    """What is said to the sender."""

    body: bytes
    media: str


def take(store: Store, signal: Signal, body: bytes, content_type: str, encoding: str, *, cost: Cost) -> Answer:
    """Keep what one request brings, in one transaction: spans ("traces"), or the events of spans ("logs").

    A span that was sent before, or of which an event told, becomes one Log. Raises InvalidInput, TooLarge and
    UnsupportedMedia; then nothing is kept."""
    media = wire.media(content_type)
    plain = wire.inflate(body, encoding)
    if signal == "traces":
        taken = spans.of_traces(wire.traces(plain, media))
        answer = wire.traces_answer(media, taken.refused)
    else:
        taken = spans.of_logs(wire.logs(plain, media))
        answer = wire.logs_answer(media, taken.refused)
    if taken.spans:
        store.logs.put([to_log(span, cost) for span in taken.spans], merged)
    return Answer(answer, media)
