"""Which Logs their callers want kept as stored chat completions and responses, and by what these are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from tuneloop import calls
from tuneloop.store.database import clean
from tuneloop.store.ids import content_id, new_id
from tuneloop.types import Json, Log, Stored

Kind = Literal["chat", "response"]

#: the fields of a request that matter here
_WORDS = (b'"store"', b'"previous_response_id"')


def to_keep(many: Sequence[Log]) -> list[Stored]:
    """What of these Logs is to be kept, in their order."""
    return [item for log in many if (item := _kept(log))]


def terms(kind: Kind, model: str | None = None, metadata: Mapping[str, str] | None = None) -> list[str]:
    """What is written down of a stored call to find it by, and what a list that is asked for looks up.

    Hashes, so that long values make no long keys.
    """
    words: list[list[str]] = [[kind]]
    if model is not None:
        words.append([kind, "model", model])
    words += [[kind, "metadata", key, value] for key, value in (metadata or {}).items()]
    return [content_id("", word) for word in words]


def _kept(log: Log) -> Stored | None:
    if log.source != "gateway" or log.status != 200 or log.error is not None or not log.response_id:
        return None
    kind: Kind
    match log.endpoint:
        case "/v1/chat/completions":  # kept if asked for
            kind, asked = "chat", _asked(log)
            wanted = asked.get("store") is True
        case "/v1/responses":  # kept unless asked otherwise; one that goes on in the background is its upstream's
            kind, asked = "response", _asked(log)
            wanted = asked.get("store") is not False and log.finish_reason is not None
        case _:
            return None
    if not wanted:
        return None
    previous = asked.get("previous_response_id")
    return Stored(
        id=clean(log.response_id),
        place=new_id(""),
        log_id=log.id,
        kind=kind,
        model=clean(log.model),
        metadata={clean(key): clean(value) for key, value in log.metadata.items()},
        previous=previous if isinstance(previous, str) else None,
    )


def _asked(log: Log) -> Mapping[str, Json]:
    if not any(word in log.request for word in _WORDS):  # most have none, and need no parsing
        return {}
    request = calls.parse(log.request)
    return request if isinstance(request, dict) else {}
