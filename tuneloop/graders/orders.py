"""Two texts in both orders: judges favour a place, so each text has each of them once (Zheng et al. 2023, "Judging
LLM-as-a-Judge", section 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuneloop.graders.grading import GradingFailed, Score, Usage, Verdict
from tuneloop.graders.samples import sample_of_text
from tuneloop.types import Json


def both(first: Score, second: Score, joined: Callable[[float, float], float], width: float) -> Score:
    """Ask `first` as it is, and `second` with the answer and `item.other` in each other's place; both say how good the
    answer is. `joined` makes one reward of the two, `width` is the range of a reward.

    Notes tell both rewards as `orders`, and `position_bias` when they are more than half of the range apart.
    """

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        swapped = exchanged(item, sample)
        one, two = first(item, sample), second(*swapped)
        rewards = [one.reward, two.reward]
        failures = [*one.failures, *two.failures]
        bias = abs(rewards[0] - rewards[1]) > width / 2
        return Verdict(
            reward=0.0 if failures else joined(*rewards),
            failures=failures,
            usage=added(one.usage, two.usage),
            model=one.model,
            sample=one.sample,
            notes={} if failures else {"orders": rewards, "position_bias": bias},
        )

    return score


def exchanged(item: Mapping[str, Json], sample: Mapping[str, Json]) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    """Item and sample with `item.other` and the answer's text in each other's place. Raises GradingFailed."""
    other, answer = item.get("other"), sample.get("output_text")
    if not isinstance(other, str) or not isinstance(answer, str):
        missing = "'sample.output_text'" if isinstance(other, str) else "'item.other', the answer to compare with"
        raise GradingFailed("invalid_variable_error", f"there is no {missing}")
    return {**item, "other": answer}, sample_of_text(other)


def added(one: Mapping[str, Usage], two: Mapping[str, Usage]) -> dict[str, Usage]:
    """What both took together, by model."""
    return {model: one.get(model, Usage()) + two.get(model, Usage()) for model in (*one, *(two.keys() - one))}
