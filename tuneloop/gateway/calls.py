"""One call on its way through the gateway, and the Log it becomes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tuneloop.calls import Measured, assemble, input_text, measure, metadata_of, parse
from tuneloop.gateway.wire import Headers, trace_of
from tuneloop.protocols import Cost, Route
from tuneloop.store.ids import new_id
from tuneloop.types import Json, Log


@dataclass(kw_only=True, slots=True)
class Call:
    """What is known of a call so far. It grows as the call proceeds; `log` freezes it."""

    endpoint: str
    headers: Headers
    raw: bytes
    id: str = field(default_factory=lambda: new_id("log_"))
    created_at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    asked: dict[str, Json] = field(default_factory=dict)
    #: the version of the prompt that was filled in
    prompt: str | None = None
    route: Route | None = None
    provider: str | None = None
    status: int = 200
    error: str | None = None
    first_token: float | None = None
    #: the pieces that go to the client
    sent: list[bytes] = field(default_factory=list)
    #: the pieces as they came from an engine that speaks a dialect: they know the usage, which the client may not want
    came: list[bytes] = field(default_factory=list)
    #: whether the answer is a stream of events
    events: bool = False
    #: whether the head of the answer has gone out
    begun: bool = False
    #: whether the Log has been handed to the recorder
    recorded: bool = False
    hung_up: bool = False

    @property
    def model(self) -> str:
        """The name the caller asked for, or "" when there was none."""
        model = self.asked.get("model")
        return model if isinstance(model, str) else ""

    @property
    def user(self) -> str | None:
        """The caller's name for its user."""
        user = self.asked.get("user")
        return user if isinstance(user, str) else None

    def log(self, cost: Cost) -> Log:
        """Everything measured up to now."""
        measured = self._measure()
        if measured.error and self.error is None:  # it came in the middle of a stream that had begun well
            self.status, self.error = 502, measured.error
        trace_id, parent_id = trace_of(self.headers)
        return Log(
            id=self.id,
            created_at=self.created_at,
            source="gateway",
            endpoint=self.endpoint,
            model=self.model,
            served_by=self.route.model.id if self.route else None,
            status=self.status,
            error=self.error,
            stream=self.asked.get("stream") is True,
            latency_ms=(time.perf_counter() - self.started) * 1000,
            first_token_ms=None if self.first_token is None else (self.first_token - self.started) * 1000,
            prompt_tokens=measured.prompt_tokens,
            completion_tokens=measured.completion_tokens,
            cost=self._cost(measured, cost),
            finish_reason=measured.finish_reason,
            user=self.user,
            metadata=metadata_of(self.asked),
            response_id=measured.response_id,
            trace_id=trace_id,
            span_id=self.id[-16:] if trace_id else None,
            parent_id=parent_id,
            prompt=self.prompt,
            input_text=input_text(self.asked),
            output_text=measured.output_text,
            request=self.raw,
            response=b"".join(self.sent),
        )

    def _measure(self) -> Measured:
        # A response has its usage always, and an id of its own.
        translated = self.endpoint == "/v1/responses"
        came = b"".join(self.sent if translated else self.came or self.sent)
        return measure(assemble(came) if self.events else parse(came))

    def _cost(self, measured: Measured, cost: Cost) -> float | None:
        if self.route is None or measured.prompt_tokens is None or measured.completion_tokens is None:
            return None
        return cost(self.provider, self.route.model.id, measured.prompt_tokens, measured.completion_tokens)
