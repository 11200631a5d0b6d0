"""Arms: what is compared, what each is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tuneloop.types import Example, Json, Message

#: makes of a conversation (without the answer) what a model is asked
Template = Callable[[Sequence[Message]], Sequence[Message]]
Kind = Literal["prompted", "few_shot", "tuned", "logged"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model said to one row; `error` in place of a text when it failed."""

    text: str = ""
    #: the whole assistant message, where there is more to it than a text
    message: Message | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None
    #: whether the error is that no answer came in time
    timed_out: bool = False
    #: when the call that gave it was sent, and when the answer was whole
    began_at: float | None = None
    ended_at: float | None = None
    #: dollars
    cost: float | None = None


class Picker(Protocol):
    """Chooses the examples that a row is shown with."""

    @property
    def about(self) -> dict[str, Json]:
        """What tells it from others: how it picks, how many, and of what."""
        ...

    def pick(self, row: Example) -> Sequence[Example]:
        """The examples for this row, in the order in which they are shown."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One side of a comparison."""

    name: str
    model: str
    kind: Kind = "prompted"
    #: the version of the Prompt that it is asked with ("support@2"); None leaves the rows' own instructions
    prompt: str | None = None
    #: makes of a row's messages what is asked with that Prompt
    template: Template | None = None
    #: fields of the request that the Prompt brings along: temperature, response_format, ...
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: shown before the question, as turns of the conversation
    examples: Picker | None = None
    #: of the training rows, of a model that is a point of the candidate's learning curve and no side of its own
    share: float | None = None
    #: of a "logged" arm: the answers given back then, by the row's id; no model is asked
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def about(self) -> dict[str, Json]:
        """What its answers depend on, beside the rows."""
        return {
            "name": self.name,
            "model": self.model,
            "kind": self.kind,
            "prompt": self.prompt,
            "parameters": dict(self.parameters),
            "examples": self.examples and self.examples.about,
        }


def answer_limit(references: Sequence[str]) -> int:
    """The most tokens an answer may have: twice the longest reference and a margin, at 3 bytes of UTF-8 a token."""
    longest = max((len(r.encode()) for r in references), default=0)
    return 2 * -(-longest // 3) + 16


def is_instruction(message: Message) -> bool:
    """Whether a message says what to do (a system or developer message), not what somebody said."""
    return message["role"] in ("system", "developer")


def prompt(arm: Arm, row: Example) -> list[Message]:
    """What an arm is asked: the row without its answer, the arm's examples as turns after the system messages."""
    asked = row.messages[:-1] if arm.template is None else arm.template(row.messages[:-1])
    start = next((i for i, message in enumerate(asked) if not is_instruction(message)), len(asked))
    examples = arm.examples.pick(row) if arm.examples else ()
    turns = [m for example in examples for m in example.messages if not is_instruction(m)]
    # "weight" belongs to training files; an upstream would refuse it.
    return [{k: v for k, v in m.items() if k != "weight"} for m in (*asked[:start], *turns, *asked[start:])]
