"""Arms: what is compared, what each is asked, and what it answers."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import orjson

from tuneloop.calls import content_text
from tuneloop.types import Example, Json, Message


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a model said to one row; `error` in place of a text when it failed."""

    text: str = ""
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One side of a comparison."""

    name: str
    model: str
    kind: Literal["prompted", "few_shot", "tuned", "logged"] = "prompted"
    #: shown before the question, as turns of the conversation; see `choose_examples`
    examples: Sequence[Example] = ()
    #: of a "logged" arm: the answers given back then, by the row's id; no model is asked
    answers: Mapping[str, Answer] = field(default_factory=dict)


def choose_examples(examples: Sequence[Example], k: int = 5, seed: int = 0) -> list[Example]:
    """`k` examples for a few-shot arm, always the same ones: from the shorter half, spread over distinct answers.

    `examples` should be the train split only; its order does not matter.
    """
    by_length = sorted(examples, key=lambda e: (_length(e), e.id))
    short = by_length[: max(k, (len(by_length) + 1) // 2)]
    groups: dict[str, list[Example]] = {}
    for example in short:
        groups.setdefault(text_of(example.messages[-1]).strip(), []).append(example)
    answers = sorted(groups)
    random.Random(seed).shuffle(answers)
    deepest = max(map(len, groups.values()), default=0)
    rounds = [groups[a][turn] for turn in range(deepest) for a in answers if turn < len(groups[a])]
    return rounds[:k]


def answer_limit(references: Sequence[str]) -> int:
    """The most tokens an answer may have: twice the longest reference and a margin, at 3 bytes of UTF-8 a token."""
    longest = max((len(r.encode()) for r in references), default=0)
    return 2 * -(-longest // 3) + 16


def text_of(message: Message) -> str:
    """What graders compare: the text of a message, or of one that calls tools the calls as JSON.

    A call is `{"name", "arguments"}`; several are an array of them.
    """
    if calls := message.get("tool_calls"):
        shown = [_call(c.get("function") or {}) for c in calls]
        return orjson.dumps(shown[0] if len(shown) == 1 else shown, option=orjson.OPT_SORT_KEYS).decode()
    return content_text(message.get("content"))


def _call(function: Mapping[str, Json]) -> dict[str, Json]:
    arguments = function.get("arguments") or "{}"
    try:
        arguments = orjson.loads(arguments)
    except ValueError:
        pass  # models write broken arguments too: shown as they are, they compare as wrong
    return {"name": function.get("name"), "arguments": arguments}


def prompt(arm: Arm, row: Example) -> list[Message]:
    """What an arm is asked: the row without its answer, the arm's examples as turns after the system message."""
    asked = list(row.messages[:-1])
    system = 0
    while system < len(asked) and asked[system]["role"] in ("system", "developer"):
        system += 1
    turns = [m for example in arm.examples for m in example.messages if m["role"] not in ("system", "developer")]
    # "weight" belongs to training files; an upstream would refuse it.
    return [{k: v for k, v in m.items() if k != "weight"} for m in (*asked[:system], *turns, *asked[system:])]


def _length(example: Example) -> int:
    return sum(len(text_of(m)) for m in example.messages)
