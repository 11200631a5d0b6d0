"""What grading a sample takes and what comes out of it: one shape for evals, rewards, filters and gates.

Shapes and names of errors are those of OpenAI's graders. Nothing here knows a database, a server or torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tuneloop.graders.asking import Aborted
from tuneloop.types import Json

#: Posts to a route of the gateway: ask("/chat/completions", body) -> the answer. Raises TuneloopError. A body without
#: `model` (embeddings) means the one at hand.
Ask = Callable[[str, Mapping[str, Json]], Mapping[str, Json]]
#: Runs `grade(sample, item)` of a source somewhere safe: run(source, sample, item) -> number. Raises GradingFailed.
RunPython = Callable[[str, Mapping[str, Json], Mapping[str, Json]], float]

ErrorName = Literal[
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
]
#: every flag of OpenAI's errors object; those with a text beside them have it under the second name
ERRORS: Mapping[ErrorName, str | None] = {
    "formula_parse_error": None,
    "sample_parse_error": None,
    "truncated_observation_error": None,
    "unresponsive_reward_error": None,
    "invalid_variable_error": None,
    "other_error": None,
    "python_grader_server_error": "python_grader_server_error_type",
    "python_grader_runtime_error": "python_grader_runtime_error_details",
    "model_grader_server_error": "model_grader_server_error_details",
    "model_grader_refusal_error": None,
    "model_grader_parse_error": None,
}


class Failure(NamedTuple):
    """Why a grader could not grade."""

    error: ErrorName
    details: str


class GradingFailed(Exception):
    """A grader could not grade this sample: a recorded failure, never the end of a run."""

    def __init__(self, error: ErrorName, details: str) -> None:
        super().__init__(details)
        self.failure = Failure(error, details)


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What asking one model took."""

    invocation_count: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens(self) -> dict[str, int]:
        """The counts under OpenAI's names."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "cached_tokens": self.cached_tokens,
        }

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            invocation_count=self.invocation_count + other.invocation_count,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What one kind of grader says of a sample."""

    reward: float = 0.0
    sub_rewards: Mapping[str, float] = field(default_factory=dict)
    failures: Sequence[Failure] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    #: the model that judged
    model: str | None = None
    #: what the judge was asked and answered: {"input", "output", ...}
    sample: Mapping[str, Json] | None = None
    #: what else there is to say: "why" it is wrong, a judge's "position_bias", ...
    notes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded(Verdict):
    """A verdict with its grader and the seconds it took. The reward of a grader that failed is 0."""

    name: str
    type: str
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether the grader, or one of those it is made of, could not grade."""
        return bool(self.failures)

    @property
    def errors(self) -> dict[str, bool | str | None]:
        """OpenAI's errors object: every flag, and texts where it has them."""
        found: dict[str, bool | str | None] = {}
        for error, text in ERRORS.items():
            details = [failure.details for failure in self.failures if failure.error == error]
            found[error] = bool(details)
            if text is not None:
                found[text] = "; ".join(details) or None
        return found


#: Scores (item, sample). Raises GradingFailed.
Score = Callable[[Mapping[str, Json], Mapping[str, Json]], Verdict]


@dataclass(frozen=True, kw_only=True, slots=True)
class Grader:
    """A grader ready to grade; `read` makes it from its JSON."""

    name: str
    type: str
    score: Score
    #: whether every reward is 0 (wrong) or 1 (right)
    binary: bool = False
    #: the JSON it was read from
    definition: Mapping[str, Json] = field(default_factory=dict)

    def grade(self, item: Mapping[str, Json], sample: Mapping[str, Json]) -> Graded:
        """Grade a sample of a model (see `samples`) for a row of data. Never raises for what it is given; Aborted,
        where models are asked no more."""
        started = time.perf_counter()
        try:
            verdict = self.score(item, sample)
        except Aborted:
            raise  # nothing is wrong with the grader: we were told to stop
        except GradingFailed as error:
            verdict = Verdict(failures=(error.failure,))
        except Exception as error:  # a grader that fails is a recorded failure, not a crash
            verdict = Verdict(failures=(Failure("other_error", f"{type(error).__name__}: {error}"),))
        return Graded(
            name=self.name,
            type=self.type,
            reward=verdict.reward,
            sub_rewards=verdict.sub_rewards,
            failures=verdict.failures,
            usage=verdict.usage,
            model=verdict.model,
            sample=verdict.sample,
            notes=verdict.notes,
            seconds=time.perf_counter() - started,
        )
