"""A program with OpenAI's library, instrumented: a process of its own, for instrumentations cannot be undone whole.

`python -m tests.unit.instrumented openllmetry|openinference UPSTREAM`; where it sends its spans is said by
OpenTelemetry's own variables. Prints the ids of its trace and of its outermost span.
"""

from __future__ import annotations

import sys
from typing import Any

from openai import OpenAI, RateLimitError
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor as OpenLLMetry
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

WEATHER = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
ASKED: list[dict[str, Any]] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}]
ASKED_ON = [
    *ASKED,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "12 C"},
]


def main(which: str, upstream: str) -> None:
    """One call that calls a tool, one that streams, one that fails."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    {"openllmetry": OpenLLMetry, "openinference": OpenInference}[which]().instrument(tracer_provider=provider)
    chat: Any = OpenAI(base_url=upstream, api_key="any", max_retries=0).chat.completions
    with provider.get_tracer("shop").start_as_current_span("ticket") as root:
        chat.create(model="gpt-4o-mini", messages=ASKED, tools=WEATHER, temperature=0.5)
        list(chat.create(model="gpt-4o-mini", messages=ASKED_ON, stream=True, stream_options={"include_usage": True}))
        try:
            chat.create(model="gpt-4o-mini", messages=ASKED)
        except RateLimitError:
            print(f"{root.get_span_context().trace_id:032x} {root.get_span_context().span_id:016x}")
    provider.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
