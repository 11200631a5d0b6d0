"""A grader as the judge of epochs: the model that is being trained answers the prompts of the validation file."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import orjson

from tuneloop import graders
from tuneloop.chat import Chat
from tuneloop.errors import InvalidInput
from tuneloop.graders import METRICS, Grader, GradingFailed, Metric, sample_of_text
from tuneloop.graders.sandbox import Sandbox
from tuneloop.training.answers import answer_text, end_tokens
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Pair
from tuneloop.training.records import EventLog
from tuneloop.training.tree import Ints, Unit
from tuneloop.training.writing import write_answers
from tuneloop.types import Json

#: rows that are answered after each epoch, at most
MOST = 100

#: an answer may be this much longer than the longest reference: enough to see that it does not end
_LENGTH, _MARGIN = 1.5, 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A prompt, and the answer that is compared with."""

    #: in the validation file, counted from 1
    row: int
    prompt: Ints
    #: up to the token that ends it
    reference: Ints


class Judge:
    """Scores a model as it is when called: the mean grade of its likeliest answers, the same whenever it is asked."""

    def __init__(self, grader: Metric, chat: Chat, cases: Sequence[Case], learner: Learner, events: EventLog) -> None:
        self.cases = cases
        self._grader, self._chat, self._learner, self._events = grader, chat, learner, events
        # Written as the template writes them, so that the best possible answer is equal to its reference.
        self._references = [answer_text(chat, case.reference.tolist()) for case in cases]
        self._max_tokens = int(_LENGTH * max(len(case.reference) for case in cases)) + _MARGIN
        self._ends = {int(case.reference[-1]) for case in cases} | end_tokens(learner.model)
        self._failure_told = False

    def __call__(self) -> float:
        """From 0 to 1. An answer that the grader cannot grade counts as 0; the first of them is told."""
        learner, prompts = self._learner, [case.prompt for case in self.cases]
        written = write_answers(
            learner.model, prompts, budget=learner.budget, max_tokens=self._max_tokens, stop=self._ends
        )
        return statistics.fmean(self._grade(index, answer) for index, answer in enumerate(written))

    def check(self) -> None:
        """Raises InvalidInput when the grader cannot even grade the references."""
        failure: Exception | None = None
        for reference in self._references:
            try:
                self._grader.grade(reference, reference)
                return
            except Exception as error:
                failure = error
        raise InvalidInput(
            f"the grader {self._grader.name!r} can grade no answer of the validation file "
            f"({type(failure).__name__}: {failure}): choose another one",
            param="grader",
        )

    def _grade(self, index: int, answer: Sequence[int]) -> float:
        try:
            return self._grader.grade(answer_text(self._chat, answer), self._references[index])
        except Exception as error:  # a grader that fails is a recorded failure, not a crash
            if not self._failure_told:
                self._failure_told = True
                self._events.message(
                    f"The grader {self._grader.name!r} fails on row {self.cases[index].row} of the validation file "
                    f"({type(error).__name__}: {error}): such answers count as 0",
                    level="warn",
                )
            return 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    """A grader as a metric: it sees an answer, and its reference as `item.reference` and, where it is JSON,
    `item.reference_json`."""

    grader: Grader

    @property
    def name(self) -> str:
        return self.grader.name

    @property
    def binary(self) -> bool:
        return self.grader.binary

    def grade(self, answer: str, reference: str) -> float:
        item: dict[str, Json] = {"reference": reference}
        with suppress(ValueError):
            item["reference_json"] = orjson.loads(reference)
        graded = self.grader.grade(item, sample_of_text(answer))
        if graded.failed:
            raise GradingFailed(*graded.failures[0])
        return graded.reward


def read_metric(given: str | Mapping[str, Json]) -> Metric:
    """The metric of a name, or of a grader's JSON. Raises InvalidInput."""
    if not isinstance(given, str):
        return _Compared(grader=graders.read(given, run_python=Sandbox()))
    if given not in METRICS:
        raise InvalidInput(f"there is no grader {given!r}; there are {', '.join(METRICS)}", param="grader")
    return METRICS[given]


def make_judge(
    given: str | Mapping[str, Json],
    chat: Chat,
    units: Sequence[Unit],
    learner: Learner,
    *,
    seed: int,
    events: EventLog,
) -> Judge:
    """The judge that compares with the answers of rows, the preferred ones of pairs (DPO), the good ones (KTO).

    Of more than MOST such rows, `seed` chooses that many. Raises InvalidInput when there is no such grader, or nothing
    that it could compare with.
    """
    metric = read_metric(given)
    name = metric.name
    cases = list(_cases(units))
    if not cases:
        raise InvalidInput("the validation file has no answer that a grader could compare with", param="grader")
    chosen = np.random.default_rng(seed % 2**64).permutation(len(cases))[:MOST]
    judge = Judge(metric, chat, [cases[index] for index in sorted(chosen)], learner, events)
    judge.check()
    events.message(
        f"The grader {name!r} judges each epoch by answers to {len(chosen)} of {len(units)} validation examples",
        {"grader": name, "judged_rows": len(chosen)},
    )
    return judge


def _cases(units: Sequence[Unit]) -> Iterator[Case]:
    for number, unit in enumerate(units, start=1):
        row = unit.rows[0]
        # What follows the last token that is not learnt is the last answer; of one without weight there is nothing.
        start = int(np.flatnonzero(row.weights == 0)[-1]) + 1
        if start < len(row.tokens) and not (isinstance(unit, Pair) and not unit.good):
            yield Case(row=number, prompt=row.tokens[:start], reference=row.tokens[start:])
