"""Reinforcement: a learner that draws answers of its own, has them graded, and makes the better ones likelier."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tuneloop import graders
from tuneloop.chat import Chat
from tuneloop.errors import Unavailable
from tuneloop.graders import Grader
from tuneloop.graders.asking import Gateway
from tuneloop.graders.sandbox import Sandbox
from tuneloop.protocols import TrainingSpec
from tuneloop.training.answers import answer_message, end_tokens
from tuneloop.training.estimate import Estimate, memory_for
from tuneloop.training.learner import Learner
from tuneloop.training.objectives import Metrics, Sample
from tuneloop.training.records import EventLog
from tuneloop.training.rewards import Given, Reward, Rewards, Split
from tuneloop.training.rollouts import Exploration, Rollouts, as_sample, explore
from tuneloop.training.rows import Prompt
from tuneloop.training.tree import micro_batches
from tuneloop.training.writing import Answer, draw_answers
from tuneloop.types import Json

#: validation rows that are answered at each look, at most
MOST_ROWS = 100


class Explorer:
    """Learns from prompts by answering them; in the same step the same seed draws the same answers."""

    def __init__(self, learner: Learner, chat: Chat, rewards: Rewards | None, exploration: Exploration) -> None:
        """`learner` still is the model as the run found it, near which it is held. Only the leader of a team has
        `rewards`."""
        self.learner = learner
        self.model = learner.model
        self.parameters = learner.parameters
        self.exploration = exploration
        self._chat, self._rewards = chat, rewards
        self._stop = {chat.end_token_id} | end_tokens(learner.model)
        self._before = [parameter.detach().clone() for parameter in learner.parameters]
        #: that have been taken, and those among them that there was something to learn in
        self._steps = self.taught = 0
        #: what has been drawn for the next one
        self._next: Rollouts | None = None

    def step(self, units: Sequence[Prompt], learning_rate: float) -> Metrics:
        """Answer the prompts, and take an optimiser step towards the better answers; none where all are equally good.

        Raises InvalidInput when the grader can grade no answer.
        """
        rollouts = self.look_ahead(units)
        self._next = None
        self._steps += 1
        samples = rollouts.samples()
        self.taught += bool(samples)
        learnt = self.learner.step(self.with_reference(samples), learning_rate) if samples else Metrics(0.0, {})
        return Metrics(learnt.loss, {**rollouts.metrics(), **learnt.others}, rollouts.tokens)

    def evaluate(self, units: Sequence[Prompt]) -> Metrics:
        """How good answers to the prompts are (to MOST_ROWS of them at most), drawn by the same chances each time."""
        return Metrics(math.nan, self._roll_out("validation", self._steps, self._few(units)).metrics())

    def look_ahead(self, units: Sequence[Prompt]) -> Rollouts:
        """What the next step learns from; drawn once, however often it is asked."""
        if self._next is None:
            self._next = self._roll_out("training", self._steps + 1, units)
        return self._next

    def state(self) -> dict[str, Any]:
        """What a run goes on from."""
        return {**self.learner.state(), "steps": self._steps, "taught": self.taught}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from what state() returned."""
        self.learner.load_state(state)
        self._steps, self.taught = state["steps"], state["taught"]

    @torch.no_grad()
    def with_reference(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples, at least one, with their log-probabilities in the model as the run found it."""
        ends = np.cumsum([len(sample.drawn) for sample in samples])
        found = torch.zeros(int(ends[-1]))
        with self._as_found():
            for tree, members in self.learner.trees(samples):
                starts = [ends[index] - len(samples[index].drawn) for index in members]
                where = np.concatenate([np.arange(*span) for span in zip(starts, ends[members], strict=True)])
                found[where] = self.learner.target_log_probabilities(tree, self.exploration.temperature)
        parts = np.split(self.learner.total(found).numpy(), ends[:-1])
        return [replace(sample, reference=part) for sample, part in zip(samples, parts, strict=True)]

    def _few(self, units: Sequence[Prompt]) -> Sequence[Prompt]:
        if len(units) <= MOST_ROWS:
            return units
        chosen = np.random.default_rng(self.exploration.seed).permutation(len(units))[:MOST_ROWS]
        return [units[index] for index in sorted(chosen)]

    @contextmanager
    def _as_found(self) -> Iterator[None]:
        """The learner as it was at the beginning of the run."""
        parameters = self.learner.parameters
        now = [parameter.detach().clone() for parameter in parameters]
        try:
            _set(parameters, self._before)
            yield
        finally:
            _set(parameters, now)

    def _roll_out(self, split: Split, step: int, prompts: Sequence[Prompt]) -> Rollouts:
        answers = self._draw(split, step, prompts)
        pairs = zip(prompts, answers, strict=True)
        given = [
            self._given(split, step, prompt, number, answer)
            for prompt, group in pairs
            for number, answer in enumerate(group)
        ]
        rewards = self._rewards.of(given) if self._rewards else [Reward(value=0.0)] * len(given)
        found = [np.nan if reward.value is None else reward.value for reward in rewards]
        values = torch.tensor(found, dtype=torch.float64)
        return Rollouts(prompts, answers, rewards, self.learner.total(values).view(len(prompts), -1).numpy())

    def _draw(self, split: Split, step: int, prompts: Sequence[Prompt]) -> list[list[Answer]]:
        """Answers to all prompts; each process of a team draws some of them."""
        learner, chances = self.learner, self.exploration.chances(split, step, len(prompts))
        mine = np.arange(len(prompts)) if learner.model.sharded else learner.team.share(prompts)
        drawn = draw_answers(
            learner.model,
            [prompts[index].row.tokens for index in mine],
            chances[mine],
            budget=learner.budget,
            stop=self._stop,
            temperature=self.exploration.temperature,
        )
        if not learner.shares:
            return drawn
        # A model in parts has each process draw everything, in step with the others.
        tells = learner.team.leads or not learner.model.sharded
        return pooled(learner, dict(zip(mine.tolist(), drawn, strict=True)) if tells else {}, chances.shape)

    def _given(self, split: Split, step: int, prompt: Prompt, number: int, answer: Answer) -> Given:
        message = answer_message(self._chat, answer.tokens.tolist())
        reason = "length" if not answer.ended else "tool_calls" if message.get("tool_calls") else "stop"
        return Given(
            split=split,
            step=step,
            line=prompt.line,
            number=number,
            item=prompt.item,
            message=message,
            finish_reason=reason,
        )


def make_explorer(
    folder: Path, spec: TrainingSpec, learner: Learner, chat: Chat, events: EventLog, validation_rows: int
) -> Explorer:
    """What does the learning of a run in `folder`. Raises InvalidInput."""
    rewards = Rewards(make_grader(spec), folder / "samples.jsonl", events) if learner.team.leads else None
    return Explorer(learner, chat, rewards, explore(spec, min(validation_rows, MOST_ROWS)))


def make_grader(spec: TrainingSpec) -> Grader:
    """The grader of a run. It asks models of the server that the environment names. Raises InvalidInput."""
    url, key = os.environ.get("TUNELOOP_BASE_URL"), os.environ.get("TUNELOOP_API_KEY", "")
    ask = Gateway(url, key, embedder=os.environ.get("TUNELOOP_BASE_MODEL", "")) if url else _nobody
    return graders.read(spec.reward, ask=ask, run_python=Sandbox(), param="method.reinforcement.grader")


def _nobody(path: str, body: Mapping[str, Json]) -> Mapping[str, Json]:
    raise Unavailable("no server is known that could be asked: start `tuneloop serve`, which then runs the job")


def pooled(learner: Learner, drawn: Mapping[int, Sequence[Answer]], shape: tuple[int, ...]) -> list[list[Answer]]:
    """The answers that all processes of a team have drawn, by number of the prompt, as (prompts, answers, tokens)."""
    tokens, found = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape)
    lengths, ended = torch.zeros(shape[:2], dtype=torch.int64), torch.zeros(shape[:2], dtype=torch.int64)
    for index, group in drawn.items():
        for number, answer in enumerate(group):
            length = len(answer.tokens)
            tokens[index, number, :length] = torch.from_numpy(answer.tokens)
            found[index, number, :length] = torch.from_numpy(answer.log_probabilities)
            lengths[index, number], ended[index, number] = length, answer.ended
    tokens, found, lengths, ended = (learner.total(numbers) for numbers in (tokens, found, lengths, ended))
    return [
        [
            Answer(
                tokens=tokens[index, number, : lengths[index, number]].numpy(),
                log_probabilities=found[index, number, : lengths[index, number]].numpy(),
                ended=bool(ended[index, number]),
            )
            for number in range(shape[1])
        ]
        for index in range(shape[0])
    ]


def foresee(explorer: Explorer, batch: Sequence[Prompt], *, steps: int, seconds_elsewhere: float) -> Estimate:
    """Time and memory of so many steps like the first, which is drawn and graded here, and of what comes between them.

    Answers may become longer or shorter as they get better.
    """
    began = time.perf_counter()
    rollouts = explorer.look_ahead(batch)
    drawing = time.perf_counter() - began
    samples = [
        as_sample(prompt, answer, 1.0)
        for prompt, group in zip(rollouts.prompts, rollouts.answers, strict=True)
        for answer in group
    ]
    learning = []
    for _ in range(2):  # the first time takes longer
        began = time.perf_counter()
        explorer.learner.accumulate(explorer.with_reference(samples))
        explorer.learner.gradient.zero_()
        learning.append(time.perf_counter() - began)
    trees = [tree for tree, _ in micro_batches(samples, explorer.learner.budget)]
    return Estimate(
        seconds=steps * (drawing + min(learning)) + seconds_elsewhere,
        bytes=memory_for(explorer.learner),
        distinct_tokens=sum(len(tree.tokens) for tree in trees),
    )


def _set(parameters: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)
