"""Rewards: what a grader gives for the answers that a model draws, asked once for each and kept in samples.jsonl."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import orjson

from tuneloop.errors import InvalidInput
from tuneloop.graders import Failure, Graded, Grader, sample_of
from tuneloop.training.records import EventLog
from tuneloop.types import Json, Message

#: of which file a prompt is
Split = Literal["training", "validation"]

#: answers that are graded at once: a judge is waited for, and Python runs in processes of its own
_AT_ONCE = 8

#: failures that no answer is to blame for: a judge that does not answer or says no number, Python that is killed
_NO_REWARD = frozenset(
    {
        "unresponsive_reward_error",
        "model_grader_server_error",
        "model_grader_refusal_error",
        "model_grader_parse_error",
        "python_grader_server_error",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """An answer to a prompt, as its grader is given it."""

    split: Split
    #: of the run; 0 is before the first
    step: int
    #: of the prompt in its file, counted from 1, and of the answer among those to it, counted from 0
    line: int
    number: int
    item: Mapping[str, Json]
    message: Message
    #: "stop", "tool_calls", or "length" when it was cut
    finish_reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """What an answer is worth; 0 when the grader cannot make anything of it."""

    #: None when the grader alone is to blame that there is none
    value: float | None
    failures: Sequence[Failure] = ()


class Rewards:
    """Grades answers, several at a time. What was graded before a run was killed is not graded again, so that a grader
    that does not always say the same cannot change what the run comes to."""

    def __init__(self, grader: Grader, path: Path, events: EventLog) -> None:
        """Every answer gets a line in the file at `path`, and the first failure of each kind an event."""
        self._grader, self._events = grader, events
        self._kept = _Kept(path)
        self._told: set[str] = set()

    def of(self, answers: Sequence[Given]) -> list[Reward]:
        """The rewards of answers, which are those of one step. Raises InvalidInput when none of them has any."""
        rewards = []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for answer, graded in zip(answers, pool.map(self._graded, answers), strict=True):
                reward = graded if isinstance(graded, Reward) else self._rewarded(answer, graded)
                rewards.append(reward)
                for failure in reward.failures:
                    self._tell(answer, reward, failure)
        if answers and all(reward.value is None for reward in rewards):
            failure = next(failure for reward in rewards for failure in reward.failures)
            raise InvalidInput(
                f"the grader {self._grader.name!r} could grade none of the {len(answers)} answers of step "
                f"{answers[0].step}: {failure.details}",
                param="method.reinforcement.grader",
                code="grader_failed",
            )
        return rewards

    def _graded(self, answer: Given) -> Graded | Reward:
        known = self._kept.find(answer)
        return known or self._grader.grade(answer.item, sample_of(answer.message, answer.finish_reason))

    def _rewarded(self, answer: Given, graded: Graded) -> Reward:
        failures = list(graded.failures)
        if not math.isfinite(graded.reward):
            failures.append(Failure("unresponsive_reward_error", f"{graded.reward} is no reward"))
        has_none = _NO_REWARD.intersection(failure.error for failure in failures)
        reward = Reward(value=None if has_none else graded.reward, failures=failures)
        self._kept.add(answer, reward, graded)
        return reward

    def _tell(self, answer: Given, reward: Reward, failure: Failure) -> None:
        if failure.error not in self._told:
            self._told.add(failure.error)
            counts = "is left out" if reward.value is None else f"gets {reward.value:g}"
            self._events.message(
                f"The grader {self._grader.name!r} fails on an answer to example {answer.line} of the {answer.split} "
                f"file, which {counts} ({failure.error}: {failure.details}). Others like it are only counted",
                level="warn",
            )


class _Kept:
    """samples.jsonl: a line for each answer, which is there as a whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._known: dict[bytes, Reward] = {}
        complete = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                complete += len(line)
                kept = orjson.loads(line)
                failures = [Failure(*failure) for failure in kept["failures"]]
                self._known[bytes.fromhex(kept["id"])] = Reward(value=kept["reward"], failures=failures)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.truncate(path, complete)

    def find(self, answer: Given) -> Reward | None:
        return self._known.get(_id_of(answer))

    def add(self, answer: Given, reward: Reward, graded: Graded) -> None:
        kept = {
            "id": _id_of(answer).hex(),
            "split": answer.split,
            "step": answer.step,
            "example": answer.line,
            "sample": answer.number,
            "message": answer.message,
            "finish_reason": answer.finish_reason,
            "reward": reward.value,
            "sub_rewards": graded.sub_rewards,
            "failures": [list(failure) for failure in reward.failures],
        }
        # One write a line: a killed run leaves no half of one.
        os.write(self._file, orjson.dumps(kept) + b"\n")


def _id_of(answer: Given) -> bytes:
    """The same for the same answer in the same place."""
    place = [answer.split, answer.step, answer.line, answer.number, answer.message, answer.finish_reason]
    return sha256(orjson.dumps(place)).digest()[:12]
