"""Asking: every arm answers every row under the same load; what was answered is kept at once, so that a run that was
killed goes on where it was, and pays for no answer twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tuneloop.errors import TuneloopError
from tuneloop.evaluations.arms import Answer, Arm, prompt
from tuneloop.types import Example, Json, Message

#: Asks a model: its name, the messages, the other fields of the request (temperature, seed, max_tokens, tools).
Ask = Callable[[str, list[Message], dict[str, Json]], Awaitable[Answer]]
#: Dollars of one call, from the model, its answer and the seconds of machine time it took; None when unknown.
CallPrice = Callable[[str, Answer, float], float | None]
#: Told the arm's name, the rows done and all rows.
Progress = Callable[[str, int, int], None]


class CostLimitReached(TuneloopError):
    """The run has cost what it may cost; what was answered is kept."""

    code = "cost_limit_reached"


class Keeper(Protocol):
    """Keeps answers while a run goes on."""

    def kept(self) -> Mapping[tuple[str, str], Answer]:
        """What was answered before, by arm and row."""
        ...

    def keep(self, arm: str, row: str, answer: Answer) -> None:
        """Returns when the answer is safe."""
        ...


class Forgetful:
    """Keeps nothing: for runs that nobody goes on with."""

    def kept(self) -> Mapping[tuple[str, str], Answer]:
        """Nothing."""
        return {}

    def keep(self, arm: str, row: str, answer: Answer) -> None:
        """Does not."""


class Purse:
    """What a run has cost, and may cost."""

    def __init__(self, limit: float | None = None) -> None:
        self.limit, self.spent, self.paid = limit, 0.0, 0

    def pay(self, dollars: float | None) -> None:
        """Something was bought; what costs nothing (or nobody knows what) is not counted."""
        if dollars:
            self.spent, self.paid = self.spent + dollars, self.paid + 1

    def allows(self, under_way: int) -> bool:
        """Whether one more call is within the limit when it and those `under_way` cost what the others did."""
        if self.limit is None:
            return True
        mean = self.spent / self.paid if self.paid else 0.0
        return self.spent + (under_way + 1) * mean <= self.limit

    def check(self, under_way: int = 0) -> None:
        """Raises CostLimitReached unless one more call is allowed."""
        if not self.allows(under_way):
            raise CostLimitReached(
                f"the limit of ${self.limit:,.4g} is reached: ${self.spent:,.4g} spent. The answers so far are kept; "
                "run the same command with a higher --max-dollars to go on",
                param="max_dollars",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """How the arms are asked."""

    ask: Ask
    parameters: Mapping[str, Json]
    concurrency: int
    price: CallPrice
    purse: Purse
    keeper: Keeper
    progress: Progress
    #: whether an arm is asked once before it is measured: a model that its first call starts must not be measured
    #: while it starts
    warms_up: Callable[[Arm], bool]


async def answers(
    load: Load, arm: Arm, rows: Sequence[Example], kept: Mapping[tuple[str, str], Answer]
) -> list[Answer]:
    """An arm's answers in the order of the rows; those that are `kept` (by arm and row) are taken as they are. Raises
    CostLimitReached."""
    if arm.kind == "logged":
        return [arm.answers.get(row.id, Answer(error="no logged answer")) for row in rows]
    found = {row.id: kept[arm.name, row.id] for row in rows if (arm.name, row.id) in kept}
    for answer in found.values():
        load.purse.pay(answer.cost)
    todo = [row for row in rows if row.id not in found]
    load.progress(arm.name, len(found), len(rows))
    if todo and load.warms_up(arm):
        await _ask(load, arm, todo[0])
    async for row, answer in _answered(load, arm, todo):
        found[row.id] = answer
        load.progress(arm.name, len(found), len(rows))
    if len(found) < len(rows):
        load.purse.check()
    return [found[row.id] for row in rows]


async def _answered(load: Load, arm: Arm, rows: Sequence[Example]) -> AsyncIterator[tuple[Example, Answer]]:
    """Rows and their answers as they come, until the money is spent."""
    waiting, under_way = iter(rows), set[asyncio.Task[tuple[Example, Answer]]]()
    try:
        while True:
            while len(under_way) < load.concurrency and load.purse.allows(len(under_way)):
                if (row := next(waiting, None)) is None:
                    break
                under_way.add(asyncio.create_task(_bought(load, arm, row)))
            if not under_way:
                return
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield await task
    finally:
        for task in under_way:
            task.cancel()


async def _bought(load: Load, arm: Arm, row: Example) -> tuple[Example, Answer]:
    """A row's answer, once it is kept."""
    answer = await _ask(load, arm, row)
    answer = replace(answer, cost=load.price(arm.model, answer, 0.0))  # the machine's time is no bill
    load.purse.pay(answer.cost)
    await asyncio.to_thread(load.keeper.keep, arm.name, row.id, answer)
    return row, answer


def busy_seconds(given: Sequence[Answer]) -> float:
    """Seconds in which at least one of these answers was being written; of answers from a log, which came one by one,
    all of their latencies."""
    if not any(a.began_at for a in given):
        return sum(a.latency_ms or 0.0 for a in given) / 1000
    spans = sorted((a.began_at, a.ended_at) for a in given if a.began_at is not None and a.ended_at is not None)
    total, until = 0.0, float("-inf")
    for began, ended in spans:
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


async def _ask(load: Load, arm: Arm, row: Example) -> Answer:
    tools = {"tools": list(row.tools)} if row.tools else {}
    began = time.time()
    try:
        answer = await load.ask(arm.model, prompt(arm, row), {**load.parameters, **tools, **arm.parameters})
        return answer if answer.began_at is not None else replace(answer, began_at=began, ended_at=time.time())
    except Exception as error:  # a call that fails is a wrong answer, never the end of the comparison
        return Answer(error=f"{type(error).__name__}: {error}", timed_out=isinstance(error, TimeoutError))
