"""A comparison: every arm answers every row, is graded, and is set against the first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from tuneloop import statistics
from tuneloop.errors import InvalidInput
from tuneloop.evaluations.arms import Answer, Arm, answer_limit, prompt, text_of
from tuneloop.graders import Metrics, pick
from tuneloop.graders.labels import per_class
from tuneloop.types import Example, Json, Message

#: Asks a model: its name, the messages, the other fields of the request (temperature, seed, max_tokens, tools).
Ask = Callable[[str, list[Message], dict[str, Json]], Awaitable[Answer]]
#: Dollars of one call, from the model, its answer and the seconds of machine time it took; None when unknown.
CallPrice = Callable[[str, Answer, float], float | None]
#: Told the arm's name, the rows done and all rows.
Progress = Callable[[str, int, int], None]


class _Outcome(NamedTuple):
    """What an arm did: an answer, the scores and the failures of graders for each row."""

    arm: Arm
    answers: list[Answer]
    seconds: float
    scores: list[dict[str, float | None]]
    failures: list[dict[str, str]]


def _silent(arm: str, done: int, total: int) -> None:
    pass


def _unknown(model: str, answer: Answer, seconds: float) -> float | None:
    return None


async def run(
    arms: Sequence[Arm],
    rows: Sequence[Example],
    answer: Ask,
    *,
    concurrency: int = 4,
    on_progress: Progress = _silent,
    price: CallPrice = _unknown,
    graders: Metrics | None = None,
) -> dict[str, Json]:
    """Let every arm answer every row, and compare the arms with the first one.

    One arm after the other, each with the same concurrency, parameters and one warm-up call that is not counted. A
    call that fails counts as wrong. `graders` should be `pick` of the whole data set's answers; by default the rows'.
    Raises InvalidInput for no arms, arms of the same name, or rows that do not end with an assistant message.

    The report is JSON: `rows`, `concurrency`, `parameters`; `primary` (a metric's name) and `graders` (`name`,
    `binary`; the primary first); `arms`, each with `name`, `model`, `kind`, `examples` (how many), `metrics` (means by
    name), `errors` and `grader_failures` (counts), `latency_ms` (`p50`, `p95`), `prompt_tokens` and
    `completion_tokens` (means), `tokens_per_second` (answer tokens of all calls at once), `seconds`, `cost_per_1000`
    (dollars), `classes` (label tasks: precision, recall, f1, support) and `difference` to the first arm in the
    primary metric (`mean`, `low`, `high`, `p_value`, `better`, `worse`, or null); `results`, each row's `id`,
    `input`, `reference` and by arm `answers` (`text`, `error`, `latency_ms`, `scores`, `failures`). What is unknown
    is null.
    """
    _check(arms, rows, concurrency)
    references = [text_of(row.messages[-1]) for row in rows]
    graders = graders or pick(references)
    parameters = {"temperature": 0, "seed": 0, "max_tokens": answer_limit(references)}
    outcomes = []
    for arm in arms:
        if arm.kind == "logged":
            answers, seconds = _logged(arm, rows)
        else:
            answers, seconds = await _measured(answer, arm, rows, parameters, concurrency, on_progress)
        outcomes.append(await asyncio.to_thread(_grade, graders, arm, answers, references, seconds))
    head = {"rows": len(rows), "concurrency": concurrency, "parameters": parameters}
    return head | await asyncio.to_thread(_report, graders, outcomes, rows, references, price)


def _check(arms: Sequence[Arm], rows: Sequence[Example], concurrency: int) -> None:
    names = [arm.name for arm in arms]
    if not names or len(set(names)) < len(names):
        raise InvalidInput(f"an evaluation needs arms of different names, not {names!r}", param="arms")
    if not rows:
        raise InvalidInput("there are no held-out rows to evaluate on", param="rows")
    if concurrency < 1:
        raise InvalidInput(f"concurrency must be one or more, not {concurrency!r}", param="concurrency")
    for row in rows:
        if len(row.messages) < 2 or row.messages[-1].get("role") != "assistant":
            raise InvalidInput(f"row {row.id!r} has no assistant message at its end to compare with", param="rows")


async def _ask(answer: Ask, arm: Arm, row: Example, parameters: Mapping[str, Json]) -> Answer:
    tools = {"tools": list(row.tools)} if row.tools else {}
    try:
        return await answer(arm.model, prompt(arm, row), {**parameters, **tools})
    except Exception as error:  # a call that fails is a wrong answer, never the end of the comparison
        return Answer(error=f"{type(error).__name__}: {error}")


def _logged(arm: Arm, rows: Sequence[Example]) -> tuple[list[Answer], float]:
    answers = [arm.answers.get(row.id, Answer(error="no logged answer")) for row in rows]
    return answers, sum(a.latency_ms or 0.0 for a in answers) / 1000


async def _measured(
    answer: Ask, arm: Arm, rows: Sequence[Example], parameters: Mapping[str, Json], concurrency: int, tell: Progress
) -> tuple[list[Answer], float]:
    """The answers in the order of the rows, and the seconds they took together."""
    answers: dict[int, Answer] = {}
    todo = iter(enumerate(rows))

    async def work() -> None:
        for index, row in todo:
            answers[index] = await _ask(answer, arm, row, parameters)
            tell(arm.name, len(answers), len(rows))

    # A model that is started by its first call must not be measured while it starts.
    await _ask(answer, arm, rows[0], parameters)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(rows))):
            group.create_task(work())
    seconds = time.perf_counter() - started
    return [answers[index] for index in range(len(rows))], seconds


def _grade(graders: Metrics, arm: Arm, answers: list[Answer], references: Sequence[str], seconds: float) -> _Outcome:
    scores: list[dict[str, float | None]] = []
    failures: list[dict[str, str]] = []
    for answer, reference in zip(answers, references, strict=True):
        row_scores: dict[str, float | None] = {}
        row_failures: dict[str, str] = {}
        for grader in graders.all:
            try:
                row_scores[grader.name] = grader.grade(answer.text, reference) if answer.error is None else 0.0
            except Exception as error:  # a grader that fails is a recorded failure, not a crash
                row_scores[grader.name] = None
                row_failures[grader.name] = f"{type(error).__name__}: {error}"
        scores.append(row_scores)
        failures.append(row_failures)
    return _Outcome(arm, answers, seconds, scores, failures)


def _report(
    graders: Metrics, outcomes: Sequence[_Outcome], rows: Sequence[Example], references: Sequence[str], price: CallPrice
) -> dict[str, Json]:
    arms = [_arm_report(graders, outcome, references, price) for outcome in outcomes]
    for arm, outcome in zip(arms, outcomes, strict=True):
        arm["difference"] = None if outcome is outcomes[0] else _difference(graders, outcomes[0], outcome)
    return {
        "primary": graders.primary.name,
        "graders": [{"name": g.name, "binary": g.binary} for g in graders.all],
        "arms": arms,
        "results": [_result(i, row, references[i], outcomes) for i, row in enumerate(rows)],
    }


def _arm_report(graders: Metrics, outcome: _Outcome, references: Sequence[str], price: CallPrice) -> dict[str, Json]:
    arm, answers, seconds, scores, failures = outcome
    good = [a for a in answers if a.error is None]
    latencies = [a.latency_ms for a in good if a.latency_ms is not None]
    written = [a.completion_tokens for a in good if a.completion_tokens is not None]
    costs = [price(arm.model, a, seconds / len(answers)) for a in good]
    is_label_task = graders.primary.name == "label_accuracy"
    return {
        "name": arm.name,
        "model": arm.model,
        "kind": arm.kind,
        "examples": len(arm.examples),
        "metrics": {g.name: _mean([s[g.name] for s in scores]) for g in graders.all},
        "errors": len(answers) - len(good),
        "grader_failures": sum(map(len, failures)),
        "latency_ms": {"p50": statistics.percentile(latencies, 50), "p95": statistics.percentile(latencies, 95)},
        "prompt_tokens": _mean([a.prompt_tokens for a in good]),
        "completion_tokens": _mean(written),
        "tokens_per_second": sum(written) / seconds if written and seconds else None,
        "seconds": seconds,
        "cost_per_1000": None if None in costs or not costs else 1000 * (_mean(costs) or 0.0),
        "classes": per_class([a.text for a in answers], references) if is_label_task else None,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _difference(graders: Metrics, first: _Outcome, other: _Outcome) -> dict[str, Json] | None:
    """Over the rows that the primary grader could grade for both arms."""
    name = graders.primary.name
    both = [(a[name], b[name]) for a, b in zip(first.scores, other.scores, strict=True)]
    pairs = [(a, b) for a, b in both if a is not None and b is not None]
    if not pairs:
        return None
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    interval = statistics.bootstrap(before, after)
    if graders.primary.binary:
        p_value = statistics.mcnemar([s == 1 for s in before], [s == 1 for s in after])
    else:
        p_value = statistics.sign_flip(before, after)
    better, worse = sum(b > a for a, b in pairs), sum(b < a for a, b in pairs)
    return {**interval._asdict(), "p_value": p_value, "better": better, "worse": worse}


def _result(index: int, row: Example, reference: str, outcomes: Sequence[_Outcome]) -> dict[str, Json]:
    return {
        "id": row.id,
        "input": next((text_of(m) for m in reversed(row.messages[:-1]) if m["role"] == "user"), ""),
        "reference": reference,
        "answers": {
            o.arm.name: {
                "text": o.answers[index].text,
                "error": o.answers[index].error,
                "latency_ms": o.answers[index].latency_ms,
                "scores": o.scores[index],
                "failures": o.failures[index],
            }
            for o in outcomes
        },
    }
