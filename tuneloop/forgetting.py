"""The regression check: has a tuned model forgotten what it was not tuned for?

Two looks, each at the model before and after: general questions with short answers (is it still an assistant?), and the
loss on general texts (does it still write English?). Both are fixed, of everyday knowledge, and outside of any task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import orjson

from tuneloop import evaluations, tuning
from tuneloop.engines.asking import Asker
from tuneloop.evaluations import Arm, Doors, Progress, Terms
from tuneloop.graders import Grader, Verdict
from tuneloop.loop import Loop
from tuneloop.types import Example, Json

#: a loss that has risen by more than this share is one that a reader of the texts would notice
_RISE = 0.1


async def check(loop: Loop, before: str, after: str, *, concurrency: int, progress: Progress) -> dict[str, Json]:
    """The part "regression" of a report: `questions` (`rows`, `before`, `after` as shares that are right, `low` and
    `high` of the difference), `loss` (`texts`, `before`, `after`, nats for a token), `forgotten`, `sentence`."""
    questions = await _questions(loop, before, after, concurrency, progress)
    texts = _lines("texts.jsonl")
    lines = [orjson.dumps(text) + b"\n" for text in texts]
    losses = [await loop.in_thread(tuning.loss_of, loop, model, lines) for model in (before, after)]
    loss = {"texts": len(texts), "before": losses[0], "after": losses[1]}
    forgotten = questions["high"] < 0 or losses[1] > (1 + _RISE) * losses[0]
    return {
        "questions": questions,
        "loss": loss,
        "forgotten": forgotten,
        "sentence": _sentence(questions, loss, forgotten),
    }


async def _questions(loop: Loop, before: str, after: str, concurrency: int, progress: Progress) -> dict[str, Json]:
    arms = [Arm(name="before tuning", model=before), Arm(name="after tuning", model=after, kind="tuned")]
    asked = [_row(number, question) for number, question in enumerate(_lines("questions.jsonl"))]
    right = Grader(name="right", type="string_check", binary=True, score=_right)
    async with Asker(loop.routes) as asker:
        doors = Doors(ask=asker.answer, progress=progress)
        report = await evaluations.run(arms, asked, doors, graders=[right], terms=Terms(concurrency=concurrency))
    was, now = (arm["metrics"]["right"] for arm in report["arms"])
    difference = report["arms"][1]["difference"]
    return {"rows": len(asked), "before": was, "after": now, "low": difference["low"], "high": difference["high"]}


def _row(number: int, question: Mapping[str, Any]) -> Example:
    messages = [
        {"role": "user", "content": question["question"]},
        {"role": "assistant", "content": question["accepted"][0]},
    ]
    return Example(id=f"general-{number}", messages=messages, extra={"metadata": {"accepted": question["accepted"]}})


def _right(item: Mapping[str, Any], sample: Mapping[str, Any]) -> Verdict:
    """Whether one of the accepted words stands in the answer."""
    words = "|".join(map(re.escape, item["metadata"]["accepted"]))
    return Verdict(reward=float(re.search(rf"(?<!\w)(?:{words})(?!\w)", sample["output_text"], re.I) is not None))


def _sentence(questions: Mapping[str, Any], loss: Mapping[str, Any], forgotten: bool) -> str:
    figures = (
        f"{questions['after']:.0%} of {questions['rows']} general questions right, {questions['before']:.0%} before; "
        f"loss on general texts {loss['after']:.2f}, {loss['before']:.2f} before"
    )
    if not forgotten:
        return f"No general ability is seen to be lost: {figures}."
    return (
        f"General abilities are lost: {figures}. That does no harm where the model gets only the calls that it was "
        "tuned for; it is no general assistant any more."
    )


def _lines(name: str) -> Sequence[dict[str, Any]]:
    text = files("tuneloop.general").joinpath(name).read_text(encoding="utf-8")
    return [orjson.loads(line) for line in text.splitlines()]
