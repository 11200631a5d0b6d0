"""score_model and label_model: another model judges, and says so as JSON of a given schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from tuneloop.calls import content_text
from tuneloop.errors import InvalidInput, TuneloopError
from tuneloop.graders import fields, orders, prompts, scales
from tuneloop.graders.grading import Ask, Failure, GradingFailed, Score, Usage, Verdict
from tuneloop.graders.json_match import parse
from tuneloop.types import Json, Message

#: name in the grader's sampling_params -> name in a chat request
_SAMPLING = {
    "max_completions_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_completion_tokens",
    "reasoning_effort": "reasoning_effort",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
}


class _Judge(NamedTuple):
    """Who is asked, and how."""

    model: str
    parameters: Mapping[str, Json]
    #: of the answer's `result`
    schema: Mapping[str, Json]
    #: appended to what the judge is asked
    instruction: str
    ask: Ask | None


class _Unreadable(ValueError):
    """The judge's answer is not what was asked for."""


def score_model(grader: Mapping[str, Json], param: str, ask: Ask | None) -> Score:
    """The number a model gives, from 0 to 1 or in `range`; one beyond it counts as its end. Raises InvalidInput.

    With `swap` the mean of two: the second time the answer and `item.other` are in each other's place, and the number
    is counted from the other end.
    """
    low, high = scales.number_range(grader.get("range"), f"{param}.range")
    instruction = f'Answer with JSON only: {{"result": NUMBER}}, where NUMBER is from {low:g} to {high:g}.'
    judge = _judge(grader, param, ask, {"type": "number"}, instruction)
    template = prompts.check(grader, "input", param)

    def reward(result: Json) -> float:
        if isinstance(result, bool) or not isinstance(result, int | float) or not math.isfinite(result):
            raise _Unreadable(f"{result!r} is no number")
        return min(high, max(low, float(result)))

    first = _asking(judge, template, reward)
    if not fields.truth(grader.get("swap"), f"{param}.swap"):
        return first
    second = _asking(judge, template, lambda result: low + high - reward(result))
    return orders.both(first, second, lambda one, two: (one + two) / 2, width=high - low)


def label_model(grader: Mapping[str, Json], param: str, ask: Ask | None) -> Score:
    """1 when the label a model gives is one of `passing_labels`, else 0. `swap` ({"first": "second", "second":
    "first"}) says what labels become when the answer and `item.other` are in each other's place: then both orders are
    asked, and where they disagree the reward is 0.5. Raises InvalidInput."""
    labels = fields.texts(grader, "labels", param)
    passing = scales.passing_labels(grader, labels, param)
    rewards = {label: float(label in passing) for label in labels}
    first = of_labels(grader, param, ask, labels, rewards)
    if grader.get("swap") is None:
        return first
    swap = fields.mapping(grader["swap"], f"{param}.swap")
    if strange := [label for pair in swap.items() for label in pair if label not in labels]:
        where = f"{param}.swap"
        raise InvalidInput(f"'{where}': {strange[0]!r} is none of the labels {labels}", param=where)
    mirrored = {label: rewards[swap.get(label, label)] for label in labels}
    second = of_labels(grader, param, ask, labels, mirrored)
    return orders.both(first, second, lambda one, two: (one + two) / 2, width=1)


def of_labels(
    grader: Mapping[str, Json], param: str, ask: Ask | None, labels: Sequence[str], rewards: Mapping[str, float]
) -> Score:
    """The reward of the label that a model gives. Raises InvalidInput."""
    listed = orjson.dumps(labels).decode()
    instruction = f'Answer with JSON only: {{"result": LABEL}}, where LABEL is one of {listed}.'
    judge = _judge(grader, param, ask, {"type": "string", "enum": labels}, instruction)

    def reward(result: Json) -> float:
        if not isinstance(result, str) or result not in rewards:
            raise _Unreadable(f"{result!r} is none of the labels")
        return rewards[result]

    return _asking(judge, prompts.check(grader, "input", param), reward)


def _judge(
    grader: Mapping[str, Json], param: str, ask: Ask | None, schema: Mapping[str, Json], instruction: str
) -> _Judge:
    model = fields.text(grader, "model", param, empty=False)
    parameters = _parameters(grader.get("sampling_params"), f"{param}.sampling_params")
    return _Judge(model, parameters, schema, instruction, ask)


def _asking(judge: _Judge, template: Sequence[Message], reward: Callable[[Json], float]) -> Score:
    def score(item: Mapping[str, Json], sample: Mapping[str, Json]) -> Verdict:
        messages = _with_instruction(prompts.fill(template, item, sample), judge.instruction)
        answer = _answer(judge, messages)
        usage = {judge.model: usage_of(answer)}
        choice = (answer.get("choices") or [{}])[0]
        message = choice.get("message") or {}
        text = content_text(message.get("content"))
        seen = {
            "model": str(answer.get("model") or judge.model),
            "input": messages,
            "output": [{"role": "assistant", "content": text}],
            "finish_reason": choice.get("finish_reason"),
        }
        if refusal := message.get("refusal") or (choice.get("finish_reason") == "content_filter"):
            failures = [Failure("model_grader_refusal_error", f"{judge.model} refused: {refusal}")]
            return Verdict(failures=failures, usage=usage, model=judge.model, sample=seen)
        try:
            return Verdict(reward=reward(_result(text)), usage=usage, model=judge.model, sample=seen)
        except _Unreadable as error:
            failures = [Failure("model_grader_parse_error", f"{judge.model} answered {text[:200]!r}: {error}")]
            return Verdict(failures=failures, usage=usage, model=judge.model, sample=seen)

    return score


def _answer(judge: _Judge, messages: Sequence[Message]) -> Mapping[str, Any]:
    if judge.ask is None:
        raise GradingFailed("model_grader_server_error", "no model can be asked here")
    schema = {
        "type": "object",
        "properties": {"result": judge.schema},
        "required": ["result"],
        "additionalProperties": False,
    }
    body = {
        "model": judge.model,
        "messages": list(messages),
        "response_format": {"type": "json_schema", "json_schema": {"name": "grade", "strict": True, "schema": schema}},
        **judge.parameters,
    }
    try:
        return judge.ask("/chat/completions", body)
    except TuneloopError as error:
        raise GradingFailed("model_grader_server_error", f"{judge.model}: {error.message}") from error


def _with_instruction(messages: Sequence[Message], instruction: str) -> list[Message]:
    """The form of the answer, said at the end of the last message; a schema alone does not tell a model its range."""
    *before, last = messages
    if last["role"] == "assistant":
        return [*messages, {"role": "user", "content": instruction}]
    if isinstance(last["content"], str):
        return [*before, {**last, "content": f"{last['content']}\n\n{instruction}"}]
    return [*before, {**last, "content": [*last["content"], {"type": "text", "text": instruction}]}]


def _result(text: str) -> Json:
    """The `result` of the judge's JSON; a model without structured output may also say the bare value."""
    try:
        value = parse(text)
    except ValueError:
        return text.strip().strip('"')
    return value.get("result") if isinstance(value, dict) else value


def usage_of(answer: Mapping[str, Any]) -> Usage:
    """What one call took, as its answer says."""
    usage = answer.get("usage") or {}
    return Usage(
        invocation_count=1,
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        cached_tokens=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
    )


def _parameters(given: Json, param: str) -> dict[str, Json]:
    """The judge's parameters as a chat request has them; unknown ones are left out. Raises InvalidInput."""
    parameters: dict[str, Json] = {}
    for name, value in fields.mapping({} if given is None else given, param).items():
        if name not in _SAMPLING or value is None:
            continue
        where = f"{param}.{name}"
        if name == "reasoning_effort":
            parameters[name] = fields.text({name: value}, name, param, empty=False)
        elif name in ("temperature", "top_p"):
            parameters[name] = fields.number(value, where, 0, 2 if name == "temperature" else 1)
        else:
            parameters[_SAMPLING[name]] = fields.whole(value, where, 1 if name.startswith("max") else -(2**63))
    return parameters
