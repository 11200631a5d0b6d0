"""Scores: what somebody or something thinks of a Log, given by log id or by the caller's own metadata."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.database import clean
from tuneloop.store.ids import content_id, new_id
from tuneloop.types import Json, Log, Message, Score

Source = Literal["user", "annotator", "code", "model"]
SOURCES = get_args(Source)


def give(store: Store, fields: Mapping[str, Any]) -> Score:
    """Score a Log. `fields` names it by `log_id` (the Log's id or the id inside its response), by `metadata`
    ({key: value} pairs the call was made with) or by `metadata_id` (short for metadata {"id": ...}), and holds
    name (default "rating"), value, comment, correction, user, source. Raises InvalidInput and NotFound."""
    log = _find(store, fields)
    score = read({"name": "rating", **fields}, log.id, score_id=new_id("score_"))
    store.scores.add([score])
    return score


def take_back(store: Store, score_id: str) -> Score:
    """Forget a Score, so that the one before it under its name counts again. Raises NotFound."""
    taken = store.scores.remove(clean(score_id))
    if taken is None:
        raise NotFound(f"no score {score_id!r}; a log has the ids of its scores", param="score_id")
    return taken


def value_of(text: str) -> bool | float | str:
    """What a text that somebody typed is as a value: true, false, a number, or else the text."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def read(fields: Json, log_id: str, *, param: str = "", score_id: str | None = None) -> Score:
    """A Score from the fields a caller gave; without `score_id` its id is the hash of log and fields.

    `value` may be true/false, a number or a text; `correction` a text or an assistant message. `param` is where the
    fields stand, for the message of the InvalidInput raised when one is wrong.
    """
    dot = f"{param}." if param else ""
    if not isinstance(fields, Mapping) or not isinstance(fields.get("name"), str) or not fields["name"]:
        raise InvalidInput(f"'{dot}name' must be a text such as 'rating'", param=f"{dot}name")
    value, correction = fields.get("value"), fields.get("correction")
    if value is not None and not isinstance(value, bool | int | float | str):
        raise InvalidInput(f"'{dot}value' must be true, false, a number or a text, not {value!r}", param=f"{dot}value")
    if value is None and correction is None and fields.get("comment") is None:
        raise InvalidInput(f"'{dot}value' is missing: give a value, a comment or a correction", param=f"{dot}value")
    for key in ("comment", "user"):
        if not isinstance(fields.get(key), str | None):
            raise InvalidInput(f"'{dot}{key}' must be a text, not {fields[key]!r}", param=f"{dot}{key}")
    source = fields.get("source") or "user"
    if source not in SOURCES:
        raise InvalidInput(f"'{dot}source' must be one of {', '.join(SOURCES)}, not {source!r}", param=f"{dot}source")
    return Score(
        id=score_id or content_id("score_", [log_id, dict(fields)]),
        log_id=log_id,
        created_at=time.time(),
        name=fields["name"],
        value=value,
        source=cast(Source, source),
        user=fields.get("user"),
        comment=fields.get("comment"),
        correction=None if correction is None else _correction(correction, f"{dot}correction"),
    )


def _correction(correction: Json, param: str) -> Message:
    if isinstance(correction, str) and correction.strip():
        return {"role": "assistant", "content": correction}
    if isinstance(correction, Mapping) and correction.get("role", "assistant") == "assistant":
        if correction.get("content") or correction.get("tool_calls"):
            return {"role": "assistant", **correction}
    raise InvalidInput(f"'{param}' must be the better answer: a text or an assistant message", param=param)


def _find(store: Store, fields: Mapping[str, Any]) -> Log:
    log_id, metadata = fields.get("log_id"), fields.get("metadata")
    if isinstance(log_id, str) and log_id:
        return store.logs.get(log_id)
    if metadata is None and fields.get("metadata_id") is not None:
        metadata = {"id": fields["metadata_id"]}
    if not isinstance(metadata, Mapping) or not metadata:
        raise InvalidInput("say which call: give 'log_id', or 'metadata' as the call was made with", param="log_id")
    wanted = {str(key): str(value) for key, value in metadata.items()}
    found = store.logs.by_metadata(wanted)
    shown = ", ".join(f"{key}={value!r}" for key, value in wanted.items())
    if not found:
        raise NotFound(f"no log was made with metadata {shown}", param="metadata")
    if len(found) > 1:
        raise InvalidInput(f"several logs have metadata {shown}; name one by 'log_id'", param="metadata")
    return found[0]
