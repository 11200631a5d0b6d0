"""Marking: what graders say of every answer. A grader that fails is a recorded failure, never the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import orjson

from tuneloop.calls import text_of
from tuneloop.evaluations.arms import Answer, is_instruction
from tuneloop.evaluations.running import Purse
from tuneloop.graders import Graded, Grader, sample_of_text, sample_to_compare
from tuneloop.types import Example, Json

#: Dollars of what grading an answer took; None when unknown.
GradePrice = Callable[[Graded], float | None]


class Mark(NamedTuple):
    """What the graders said of one answer, by their names; None where one failed, with the reason in `failures`."""

    scores: Mapping[str, float | None]
    failures: Mapping[str, str]


#: nothing was answered: that is worth nothing
_WORTHLESS = 0.0


def item_of(row: Example, other: Answer | None = None) -> dict[str, Json]:
    """A row as the templates of graders see it; `other` is what the arm answers that is compared with."""
    reference = text_of(row.messages[-1])
    asked = row.messages[:-1]
    item: dict[str, Json] = {
        "id": row.id,
        "messages": list(asked),
        "input": next((text_of(m) for m in reversed(asked) if m["role"] == "user"), ""),
        "instructions": "\n\n".join(text_of(m) for m in asked if is_instruction(m)),
        "reference": reference,
        "tools": list(row.tools),
        "metadata": metadata_of(row),
    }
    try:
        item["reference_json"] = orjson.loads(reference)
    except ValueError:
        pass  # a template that wants it says so
    return item if other is None or other.error is not None else {**item, "other": other.text}


def metadata_of(row: Example) -> dict[str, Json]:
    """What is known of a row beside its messages."""
    metadata = row.extra.get("metadata")
    return dict(metadata) if isinstance(metadata, Mapping) else {}


class Paper(NamedTuple):
    """What is marked: a row, the answer to it, and the answer that it is compared with, if any."""

    row: Example
    answer: Answer
    other: Answer | None = None


def mark(
    graders: Sequence[Grader], papers: Sequence[Paper], *, concurrency: int, purse: Purse, price: GradePrice
) -> list[Mark]:
    """Marks in the order of the papers. Raises CostLimitReached when judges have cost what they may cost."""

    def one(paper: Paper) -> Mark:
        scores: dict[str, float | None] = {}
        failures: dict[str, str] = {}
        if paper.answer.error is not None:
            return Mark({grader.name: _WORTHLESS for grader in graders}, {})
        item, sample = item_of(paper.row, paper.other), _sample(paper.answer)
        for grader in graders:
            purse.check()
            graded = grader.grade(item, sample)
            purse.pay(price(graded))
            scores[grader.name] = None if graded.failed else graded.reward
            if graded.failed:
                failures[grader.name] = "; ".join(f"{f.error}: {f.details}" for f in graded.failures)
        return Mark(scores, failures)

    with ThreadPoolExecutor(concurrency) as pool:
        return list(pool.map(one, papers))


def _sample(answer: Answer) -> dict[str, Json]:
    return sample_to_compare(answer.message) if answer.message else sample_of_text(answer.text)
