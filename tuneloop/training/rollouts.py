"""Rollouts: answers that a model draws to prompts, what they are worth, and what there is to learn from that."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneloop.protocols import Effort, TrainingSpec
from tuneloop.training.objectives import Sample
from tuneloop.training.rewards import Reward, Split
from tuneloop.training.rows import Prompt
from tuneloop.training.spec import check_number
from tuneloop.training.tree import TokenRow
from tuneloop.training.writing import Answer
from tuneloop.types import Json

#: answers drawn to each prompt at a compute_multiplier of 1, and the fewest and most
_SAMPLES, _FEWEST, _MOST = 8, 2, 64
#: tokens of an answer at most, by reasoning_effort
_LENGTHS: Mapping[Effort, int] = {"low": 128, "default": 256, "medium": 256, "high": 512}
#: answers to all validation rows together, lest chance decide which look was best, and most to each
_ENOUGH, _MOST_TO_EACH = 64, 4
#: keeps the advantages of answers that are graded almost alike from being made large
_SPREAD = 1e-4


@dataclass(frozen=True, kw_only=True, slots=True)
class Exploration:
    """How answers are drawn."""

    #: to each prompt of a step
    samples: int
    #: to each of the validation file
    eval_samples: int
    compute_multiplier: float
    max_completion_tokens: int
    temperature: float
    seed: int

    def told(self) -> dict[str, Json]:
        """The numbers that a request may give."""
        names = ("compute_multiplier", "eval_samples", "max_completion_tokens", "temperature")
        return {name: getattr(self, name) for name in names}

    def chances(self, split: Split, step: int, prompts: int) -> NDArray[np.float64]:
        """What decides about the answers to so many prompts (prompts, answers to each, tokens); the same each time. At
        each look at the validation file the same chances, so that looks differ by what was learnt only."""
        place = (0, step) if split == "training" else (1, 0)
        count = self.samples if split == "training" else self.eval_samples
        return np.random.default_rng([self.seed, *place]).random((prompts, count, self.max_completion_tokens))


def answer_length(spec: TrainingSpec) -> int:
    """The most tokens that an answer may have. Raises InvalidInput."""
    if spec.max_completion_tokens is None:
        return _LENGTHS[spec.reasoning_effort]
    check_number("max_completion_tokens", spec.max_completion_tokens, 1, 1e6, int)
    return spec.max_completion_tokens


def explore(spec: TrainingSpec, validation_rows: int) -> Exploration:
    """The given numbers, and something in place of "auto". Raises InvalidInput."""
    multiplier = 1.0 if spec.compute_multiplier == "auto" else spec.compute_multiplier
    check_number("compute_multiplier", multiplier, 1e-5, 10)
    check_number("temperature", spec.temperature, 0.01, 10)
    eval_samples = _eval_samples(validation_rows) if spec.eval_samples == "auto" else spec.eval_samples
    check_number("eval_samples", eval_samples, 1, 1000, int)
    return Exploration(
        samples=max(_FEWEST, min(_MOST, round(_SAMPLES * multiplier))),
        eval_samples=eval_samples,
        compute_multiplier=multiplier,
        max_completion_tokens=answer_length(spec),
        temperature=spec.temperature,
        seed=spec.seed % 2**64,
    )


def _eval_samples(validation_rows: int) -> int:
    return max(1, min(_MOST_TO_EACH, _ENOUGH // max(1, validation_rows)))


@dataclass(frozen=True, slots=True)
class Rollouts:
    """What came of some prompts."""

    prompts: Sequence[Prompt]
    #: of each prompt
    answers: Sequence[Sequence[Answer]]
    #: of each answer, one prompt after the other
    rewards: Sequence[Reward]
    #: (prompts, answers to each) rewards, nan where there is none
    values: NDArray[np.float64]

    def metrics(self) -> dict[str, float]:
        """Means over all answers, in OpenAI's words where it has them; differing is the share of prompts whose answers
        are not all worth the same."""
        answers = [answer for group in self.answers for answer in group]
        errors = [{failure.error for failure in reward.failures} for reward in self.rewards]
        return {
            "mean_reward": float(np.nanmean(self.values)),
            "mean_parse_error": statistics.fmean("sample_parse_error" in one for one in errors),
            "mean_grader_error": statistics.fmean(bool(one - {"sample_parse_error"}) for one in errors),
            "completion_tokens_mean": statistics.fmean(len(answer.tokens) for answer in answers),
            "mean_truncated": statistics.fmean(not answer.ended for answer in answers),
            "differing": float(np.nan_to_num(advantages_of(self.values)).any(axis=1).mean()),
        }

    def samples(self) -> list[Sample]:
        """The answers that something can be learnt from: those to prompts whose answers are not all worth the same."""
        found = []
        for prompt, answers, advantages in zip(self.prompts, self.answers, advantages_of(self.values), strict=True):
            if np.nan_to_num(advantages).any():
                pairs = zip(answers, advantages.tolist(), strict=True)
                found += [as_sample(prompt, answer, advantage) for answer, advantage in pairs if advantage == advantage]
        return found

    @property
    def tokens(self) -> int:
        """Of all answers with their prompts."""
        pairs = zip(self.prompts, self.answers, strict=True)
        return sum(len(prompt.row.tokens) + len(answer.tokens) for prompt, group in pairs for answer in group)


def as_sample(prompt: Prompt, answer: Answer, advantage: float) -> Sample:
    """An answer to learn from, as far as the reference has not seen it."""
    weights = np.concatenate([prompt.row.weights, np.ones(len(answer.tokens), dtype=np.float32)])
    row = TokenRow(np.concatenate([prompt.row.tokens, answer.tokens]), weights)
    return Sample(row=row, advantage=advantage, drawn=answer.log_probabilities, reference=answer.log_probabilities)


def advantages_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much better each answer is than the mean of those to its prompt, in standard deviations of all rewards.

    `values` (prompts, answers), nan for none. Not in deviations within the group, as in GRPO: prompts that are nearly
    always or nearly never answered well would count most (Liu et al. 2025, arXiv:2503.20783). Over the whole step they
    only make one learning rate fit graders of every range, which was found to be the most robust (Liu et al. 2025,
    arXiv:2508.08221).
    """
    values = values - np.nanmean(values)
    counts = np.maximum(1, (~np.isnan(values)).sum(axis=1, keepdims=True))
    centred = values - np.nansum(values, axis=1, keepdims=True) / counts
    # What is left of equal rewards is rounding.
    alike = np.nan_to_num(np.abs(centred)).max(axis=1, keepdims=True) <= 1e-9 * np.nanmax(np.abs(values))
    found: NDArray[np.float64] = np.where(alike, 0 * centred, centred / (np.nanstd(values) + _SPREAD))
    return found
