"""A row under examination: the same for a Log, a row of a Dataset and a line of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from tuneloop.calls import content_text
from tuneloop.checks.findings import Finding
from tuneloop.types import Json, Message, Split, Tool

_INSTRUCTING = ("system", "developer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What was asked, what was answered, and what is known of both."""

    #: counted from 1; the line in a file
    number: int
    #: of the Log or the Example, or the row's own "id"; "line N" without one
    id: str
    #: everything before the answer; empty when the row cannot be read
    messages: Sequence[Message] = ()
    #: the answer that would be learnt
    answer: Message | None = None
    tools: Sequence[Tool] = ()
    #: what the request asked the answer to be, as OpenAI has it
    response_format: Mapping[str, Json] | None = None
    split: Split | None = None
    #: HTTP status of the call, and why its answer ended
    status: int = 200
    finish_reason: str | None = None
    #: thumbs, oldest first: True up, False down
    ratings: Sequence[bool] = ()
    #: better answers that people gave, oldest first
    corrections: Sequence[Message] = ()
    created_at: float | None = None
    user: str | None = None
    #: other keys of a training row, kept as they came
    extra: Mapping[str, Json] = field(default_factory=dict)
    weight: float = 1.0
    #: worse answers to the same messages, of a row of a Dataset
    rejected: Sequence[Message] = ()
    #: the Log it came from
    log_id: str | None = None
    #: what was found while it was read
    faults: Sequence[Finding] = ()

    @property
    def instructions(self) -> str:
        """The text of the messages that say what to do."""
        return "\n".join(content_text(m.get("content")) for m in self.messages if m["role"] in _INSTRUCTING)

    @property
    def question(self) -> str:
        """The text of all other messages before the answer, each behind its role where there are several."""
        asked = [message for message in self.messages if message["role"] not in _INSTRUCTING]
        if len(asked) == 1:
            return text_of(asked[0])
        return "\n".join(f"{message['role']}: {text_of(message)}" for message in asked)

    @property
    def answer_text(self) -> str:
        """The text of the answer; of one that calls tools, the calls as JSON."""
        return "" if self.answer is None else text_of(self.answer)

    @property
    def correction(self) -> Message | None:
        """The latest better answer."""
        return self.corrections[-1] if self.corrections else None

    @property
    def corrected(self) -> bool:
        """Whether somebody gave another answer."""
        return self.correction is not None and text_of(self.correction).strip() != self.answer_text.strip()

    @property
    def rating(self) -> bool | None:
        """The latest thumb."""
        return self.ratings[-1] if self.ratings else None


def text_of(message: Message) -> str:
    """What a message says, with the tools that it calls as JSON."""
    text = content_text(message.get("content")) or content_text(message.get("refusal"))
    calls = [call.get("function") for call in message.get("tool_calls") or ()]
    calls += [message["function_call"]] if message.get("function_call") else []
    return text + "".join(f"\n{orjson.dumps(call).decode()}" for call in calls) if calls else text
