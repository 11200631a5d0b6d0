"""What a program notes about its spans: the user, the session, the service, and metadata of its own."""

from __future__ import annotations

from collections.abc import Iterator

from tuneloop.importers.otlp.spans import Span
from tuneloop.importers.otlp.values import as_text, below, first, mapping, text
from tuneloop.types import Json

_USER = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "gen_ai.user",
    "gen_ai.request.user",
    "llm.user",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
_SESSION = (
    "session.id",
    "langfuse.session.id",
    "gen_ai.conversation.id",
    "traceloop.association.properties.session_id",
    "ai.telemetry.metadata.sessionId",
)
_TAGS = ("tag.tags", "langfuse.trace.tags", "ai.telemetry.metadata.tags")
#: attributes under which metadata stands: whole, or with a key each
_METADATA = (
    "metadata",
    "langfuse.trace.metadata",
    "langfuse.observation.metadata",
    "traceloop.association.properties",
    "ai.telemetry.metadata",
)


def user_of(span: Span) -> str | None:
    """The user that the program named."""
    raw = mapping(span.attributes.get("llm.invocation_parameters"))
    return text(span.attributes, *_USER) or text(raw, "user")


def metadata_of(span: Span) -> dict[str, str]:
    """The program's own metadata, and under `service`, `session_id` and `tags` what there are attributes for."""
    found = {key: as_text(value) for key, value in _metadata(span) if value is not None}
    service = text(span.resource, "service.name")
    if service and not service.startswith("unknown_service"):  # what an SDK says that nobody told its name
        found["service"] = service
    if session := text(span.attributes, *_SESSION):
        found["session_id"] = session
    if tags := first(span.attributes, *_TAGS):
        found["tags"] = as_text(tags)
    return found


def _metadata(span: Span) -> Iterator[tuple[str, Json]]:
    for name in _METADATA:
        yield from mapping(span.attributes.get(name)).items()
        yield from below(span.attributes, name)
