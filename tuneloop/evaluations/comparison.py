"""A comparison: every arm answers every row, is graded, and is set against the first."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tuneloop import graders as grading
from tuneloop import statistics
from tuneloop.calls import text_of
from tuneloop.errors import InvalidInput
from tuneloop.evaluations import marking, running
from tuneloop.evaluations.arms import Answer, Arm, answer_limit
from tuneloop.evaluations.curves import Trained, learning_curve
from tuneloop.evaluations.marking import GradePrice, Mark, Paper
from tuneloop.evaluations.running import Ask, CallPrice, Forgetful, Keeper, Load, Progress, Purse, busy_seconds
from tuneloop.evaluations.verdict import judge
from tuneloop.graders import Grader
from tuneloop.graders.labels import per_class
from tuneloop.types import Example, Json

#: rows named of each kind of problem, at most
_NAMED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a comparison is held to."""

    concurrency: int = 4
    #: dollars that calls and judges may cost together; None sets no limit
    max_dollars: float | None = None
    #: the loss in the primary metric that its owner accepts
    margin: float = 0.02
    #: confidence of the intervals
    level: float = 0.95
    #: name of the arm that the others are compared with; None takes the first
    baseline: str | None = None
    #: name of the arm that is to take over; None takes the last tuned one, or else the last
    candidate: str | None = None
    #: what goes into the report as it is: title, data set, ...
    head: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Doors:
    """How a comparison reaches the world."""

    ask: Ask
    price: CallPrice = lambda model, answer, seconds: None
    grade_price: GradePrice = lambda graded: None
    keeper: Keeper = field(default_factory=Forgetful)
    progress: Progress = lambda arm, done, total: None
    warms_up: Callable[[Arm], bool] = lambda arm: True


class _Outcome(NamedTuple):
    """What an arm did: an answer and a mark for each row."""

    arm: Arm
    answers: list[Answer]
    marks: list[Mark]


async def run(
    arms: Sequence[Arm],
    rows: Sequence[Example],
    doors: Doors,
    *,
    graders: Sequence[Grader] = (),
    metadata: Mapping[str, Mapping[str, Json]] | None = None,
    terms: Terms | None = None,
) -> dict[str, Json]:
    """Let every arm answer every row, grade the answers, and compare the arms with the baseline.

    One arm after the other, each with the same concurrency, parameters and one warm-up call that is not counted. A
    call that fails counts as wrong; a row that has no answer to compare with is left out, and the report says so.
    `graders` (the first decides) are by default those that suit the rows' answers; `metadata` are the rows' by their
    ids. Raises InvalidInput for no arms, arms of the same name, or no rows; CostLimitReached.

    The report is JSON, described in docs/verdict.md.
    """
    terms = terms or Terms()
    good, skipped = _sound(rows)
    _check(arms, good, terms)
    references = [text_of(row.messages[-1]) for row in good]
    graders = graders or [grading.read(one) for one in grading.suited(references)]
    load = Load(
        ask=doors.ask,
        parameters={"temperature": 0, "seed": 0, "max_tokens": answer_limit(references)},
        concurrency=terms.concurrency,
        price=doors.price,
        purse=Purse(terms.max_dollars),
        keeper=doors.keeper,
        progress=doors.progress,
        warms_up=doors.warms_up,
    )
    baseline = terms.baseline or arms[0].name
    outcomes = await _outcomes(load, arms, good, graders, baseline, doors.grade_price)
    sides = [outcome for outcome in outcomes if outcome.arm.share is None]
    candidate = terms.candidate or _candidate([side.arm for side in sides], baseline)
    report = {
        **terms.head,
        "rows": len(good),
        "concurrency": terms.concurrency,
        "parameters": load.parameters,
        "primary": graders[0].name,
        "graders": [{"name": g.name, "type": g.type, "binary": g.binary} for g in graders],
        "baseline": baseline,
        "candidate": candidate,
        "margin": terms.margin,
        "level": terms.level,
        "created_at": time.time(),
        "spent": load.purse.spent,
        "skipped": skipped,
        "arms": [_arm_report(graders, side, good, doors.price) for side in sides],
        "learning_curve": _curve(graders[0], outcomes, candidate, terms),
        "results": [_result(i, row, metadata or {}, sides) for i, row in enumerate(good)],
    }
    return await asyncio.to_thread(judge, report)


async def _outcomes(
    load: Load,
    arms: Sequence[Arm],
    rows: Sequence[Example],
    graders: Sequence[Grader],
    baseline: str,
    price: GradePrice,
) -> list[_Outcome]:
    """What every arm answered, graded when all have: a pairwise grader sees the baseline's answer beside each."""
    kept = await asyncio.to_thread(load.keeper.kept)
    given = {arm.name: await running.answers(load, arm, rows, kept) for arm in arms}
    found = []
    for arm in arms:
        others = [None] * len(rows) if arm.name == baseline else given[baseline]
        papers = [Paper(*paper) for paper in zip(rows, given[arm.name], others, strict=True)]
        marks = await asyncio.to_thread(
            marking.mark, graders, papers, concurrency=load.concurrency, purse=load.purse, price=price
        )
        found.append(_Outcome(arm, given[arm.name], marks))
    return found


def _sound(rows: Sequence[Example]) -> tuple[list[Example], list[dict[str, Json]]]:
    """The rows that can be compared, and why the others cannot."""
    good, skipped = [], []
    for row in rows:
        if len(row.messages) < 2 or row.messages[-1].get("role") != "assistant":
            skipped.append({"id": row.id, "reason": "no assistant message at its end to compare with"})
        elif not text_of(row.messages[-1]).strip():
            skipped.append({"id": row.id, "reason": "its answer is empty"})
        else:
            good.append(row)
    return good, skipped


def _check(arms: Sequence[Arm], rows: Sequence[Example], terms: Terms) -> None:
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"an evaluation needs arms of different names, not {names!r}", param="arms")
    if not rows:
        raise InvalidInput("there are no held-out rows to evaluate on", param="rows")
    if terms.concurrency < 1:
        raise InvalidInput(f"concurrency must be one or more, not {terms.concurrency!r}", param="concurrency")
    if not 0 <= terms.margin < 1:
        raise InvalidInput(f"the margin must be from 0 to below 1, such as 0.02, not {terms.margin!r}", param="margin")
    for param in ("baseline", "candidate"):
        name = getattr(terms, param)
        if name is not None and name not in names:
            raise InvalidInput(f"{param} must be one of the arms {', '.join(names)}, not {name!r}", param=param)


def _candidate(arms: Sequence[Arm], baseline: str) -> str | None:
    others = [arm for arm in arms if arm.name != baseline]
    tuned = [arm for arm in others if arm.kind == "tuned"]
    found = (tuned or others)[-1:]
    return found[0].name if found else None


def _curve(
    primary: Grader, outcomes: Sequence[_Outcome], candidate: str | None, terms: Terms
) -> dict[str, Json] | None:
    rows = terms.head.get("dataset", {}).get("train_rows")
    points = {o.arm.share or 1.0: o for o in outcomes if o.arm.share is not None or o.arm.name == candidate}
    if not rows or len(points) < 2:
        return None
    trained = [
        Trained(share, math.ceil(share * rows), [mark.scores[primary.name] or 0.0 for mark in outcome.marks])
        for share, outcome in points.items()
    ]
    return learning_curve(trained, binary=primary.binary, level=terms.level)


def _arm_report(
    graders: Sequence[Grader], outcome: _Outcome, rows: Sequence[Example], price: CallPrice
) -> dict[str, Json]:
    arm, answers, marks = outcome
    references = [text_of(row.messages[-1]) for row in rows]
    good = [a for a in answers if a.error is None]
    written = [a.completion_tokens for a in good if a.completion_tokens is not None]
    seconds = busy_seconds(answers)
    costs = [a.cost if arm.kind == "logged" else price(arm.model, a, seconds / len(answers)) for a in good]
    is_label_task = graders[0].name == "label_accuracy" or graders[0].type == "label"
    return {
        "name": arm.name,
        "model": arm.model,
        "kind": arm.kind,
        "prompt": _version(arm.prompt),
        "examples": arm.examples.about["k"] if arm.examples else 0,
        "pick": arm.examples.about["pick"] if arm.examples else None,
        "metrics": {g.name: _mean([m.scores[g.name] for m in marks]) for g in graders},
        "errors": len(answers) - len(good),
        "timeouts": sum(a.timed_out for a in answers),
        "grader_failures": sum(len(m.failures) for m in marks),
        "problems": _problems(outcome, rows),
        "latency_ms": _spread([a.latency_ms for a in good]),
        "first_token_ms": _spread([a.first_token_ms for a in good]),
        "prompt_tokens": _mean([a.prompt_tokens for a in good]),
        "completion_tokens": _mean(written),
        "tokens_per_second": sum(written) / seconds if written and seconds else None,
        "seconds": seconds,
        "cost_per_1000": None if None in costs or not costs else 1000 * (_mean(costs) or 0.0),
        "classes": per_class([a.text for a in answers], references) if is_label_task else None,
        "confusion": _confusion(outcome, references, graders[0].name) if is_label_task else None,
    }


def _version(prompt: str | None) -> dict[str, Json] | None:
    """ "support@2" as name and version."""
    name, at, version = (prompt or "").rpartition("@")
    return {"name": name, "version": int(version)} if at else None


def _spread(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [v for v in values if v is not None]
    return {"p50": statistics.percentile(known, 50), "p95": statistics.percentile(known, 95)}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _confusion(outcome: _Outcome, references: Sequence[str], primary: str) -> list[dict[str, Json]]:
    """What was said in place of what, the most frequent first."""
    pairs = Counter(
        (reference.strip(), answer.text.strip()[:100])
        for reference, answer, mark in zip(references, outcome.answers, outcome.marks, strict=True)
        if mark.scores[primary] == 0 and answer.error is None
    )
    return [{"meant": meant, "said": said, "count": count} for (meant, said), count in pairs.most_common(50)]


def _problems(outcome: _Outcome, rows: Sequence[Example]) -> list[dict[str, Json]]:
    """What went wrong, each kind once with how often, the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for row, answer, mark in zip(rows, outcome.answers, outcome.marks, strict=True):
        if answer.error is not None:
            found.setdefault(("timeout" if answer.timed_out else "call", answer.error[:300]), []).append(row.id)
        for grader, why in mark.failures.items():
            found.setdefault(("grader", f"{grader}: {why[:300]}"), []).append(row.id)
    return [
        {"what": what, "message": message, "count": len(where), "rows": where[:_NAMED]}
        for (what, message), where in sorted(found.items(), key=lambda item: -len(item[1]))
    ]


def _result(
    index: int, row: Example, metadata: Mapping[str, Mapping[str, Json]], outcomes: Sequence[_Outcome]
) -> dict[str, Json]:
    item = marking.item_of(row)
    return {
        "id": row.id,
        "input": item["input"],
        "reference": item["reference"],
        "metadata": dict(metadata.get(row.id) or item["metadata"]),
        "answers": {
            o.arm.name: {
                "text": o.answers[index].text,
                "error": o.answers[index].error,
                "latency_ms": o.answers[index].latency_ms,
                "scores": dict(o.marks[index].scores),
                "failures": dict(o.marks[index].failures),
            }
            for o in outcomes
        },
    }
