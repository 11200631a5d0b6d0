"""Samples: what a model answered, as templates and Python graders see it under `sample`."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from tuneloop.calls import content_text, text_of
from tuneloop.types import Json, Message


def sample_of_text(text: str) -> dict[str, Json]:
    """The sample of an answer that is only text: `output_text`, and `output_json` where the text is JSON."""
    return complete({"output_text": text})


def sample_of(message: Message, finish_reason: str | None = None) -> dict[str, Json]:
    """The sample of an assistant's message: `output_text`, `output_json`, `output_tools`, `choices`."""
    return complete({"choices": [{"index": 0, "message": dict(message), "finish_reason": finish_reason}]})


def sample_to_compare(message: Message, finish_reason: str | None = None) -> dict[str, Json]:
    """The same where answers are compared with references: `output_text` of one that calls tools is the calls as
    JSON, as `calls.text_of` makes it of both."""
    choice = {"index": 0, "message": dict(message), "finish_reason": finish_reason}
    return complete({"output_text": text_of(message), "choices": [choice]})


def complete(sample: Mapping[str, Json]) -> dict[str, Json]:
    """A sample with what follows from what it has: text and tool calls from the choices, choices and JSON from the
    text."""
    whole = dict(sample)
    message = _message(whole.get("choices"))
    if message is not None:
        whole.setdefault("output_text", content_text(message.get("content")))
        whole.setdefault("output_tools", message.get("tool_calls") or [])
    text = whole.get("output_text")
    if isinstance(text, str):
        whole.setdefault("output_tools", [])
        whole.setdefault("choices", [{"index": 0, "message": {"role": "assistant", "content": text}}])
        if "output_json" not in whole:
            try:
                whole["output_json"] = orjson.loads(text)
            except ValueError:
                pass  # a template that wants it says so
    return whole


def _message(choices: Json) -> Mapping[str, Json] | None:
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    return message if isinstance(message, Mapping) else None
