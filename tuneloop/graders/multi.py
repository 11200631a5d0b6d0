"""multi: several graders, and a formula that makes one reward of theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuneloop.errors import InvalidInput
from tuneloop.graders import fields
from tuneloop.graders.formulas import read_formula
from tuneloop.graders.grading import Grader, GradingFailed, Score, Usage, Verdict
from tuneloop.types import Json


def multi(grader: Mapping[str, Json], param: str, read: Callable[[Json, str], Grader]) -> Score:
    """The formula's value over the rewards of the graders; one that fails counts as 0 and is recorded.

    `graders` is an object of graders by name, a list of them or one alone; the last two are known by their own names.
    Raises InvalidInput.
    """
    parts = _parts(grader.get("graders"), f"{param}.graders", read)
    formula = read_formula(fields.text(grader, "calculate_output", param), parts, f"{param}.calculate_output")

    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        graded = {name: part.grade(item, sample) for name, part in parts.items()}
        rewards = {name: one.reward for name, one in graded.items()}
        failures = [failure for one in graded.values() for failure in one.failures]
        usage: dict[str, Usage] = {}
        for one in graded.values():
            for model, used in one.usage.items():
                usage[model] = usage.get(model, Usage()) + used
        reward = 0.0
        try:
            reward = formula(rewards)
        except GradingFailed as error:
            failures.append(error.failure)
        return Verdict(reward=reward, sub_rewards=rewards, failures=failures, usage=usage)

    return score


def _parts(given: Json, param: str, read: Callable[[Json, str], Grader]) -> dict[str, Grader]:
    if given is None:
        raise InvalidInput(f"Missing required parameter: '{param}'", param=param)
    if isinstance(given, list):
        read_ones = [read(one, f"{param}[{number}]") for number, one in enumerate(given)]
        parts = {one.name: one for one in read_ones}
        if len(parts) < len(read_ones):
            raise InvalidInput(f"'{param}' has two graders of the same name", param=param)
    elif isinstance(fields.mapping(given, param).get("type"), str):
        one = read(given, param)
        parts = {one.name: one}
    else:
        parts = {name: read(one, f"{param}.{name}") for name, one in given.items()}
    if not parts:
        raise InvalidInput(f"'{param}' has no grader", param=param)
    if any(part.type == "multi" for part in parts.values()):
        raise InvalidInput(f"'{param}' cannot hold another multi grader", param=param)
    return parts
