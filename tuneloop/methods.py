"""Methods of fine-tuning and their hyperparameters: read from a request as OpenAI has it, checked by name and range.

OpenAI's are n_epochs, batch_size and learning_rate_multiplier, beta for dpo, and for reinforcement a grader and what
belongs to drawing answers; kto takes what dpo does. The rest is ours. What is missing, null or "auto" is left to the
training run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, cast, get_args

import orjson

from tuneloop import graders
from tuneloop.errors import InvalidData, InvalidInput
from tuneloop.examples import FilePurpose, PromptRow
from tuneloop.graders import METRICS
from tuneloop.graders.needs import asks_model, asks_people, parts, unread
from tuneloop.graders.reading import whole
from tuneloop.graders.variables import missing
from tuneloop.protocols import Effort, Method, Schedule, Tuning
from tuneloop.types import Json

METHODS: tuple[Method, ...] = get_args(Method)
#: of reinforcement: steps that a set is given, if that is no more than so many epochs
_STEPS_OF_ANSWERS, _MOST_EPOCHS_OF_ANSWERS = 60, 15
#: what a grader of epochs is told beside the answer
JUDGED_BY = ("reference", "reference_json")

#: the value as the training run wants it. Raises ValueError with words for what is allowed.
_Reader = Callable[[Json], Json]


def read(request: Mapping[str, Any]) -> tuple[Method, dict[str, Any]]:
    """The method that a request names, and its hyperparameters: "auto" for those of OpenAI's that are not given, and
    ours where they are given. Raises InvalidInput that names the parameter.
    """
    method = request.get("method") or {"type": "supervised"}
    kind = method.get("type") if isinstance(method, Mapping) else None
    if kind not in METHODS:
        offered = ", ".join(map(repr, METHODS))
        raise InvalidInput(f"unknown method {kind!r}; 'method.type' must be one of {offered}", param="method.type")
    inner = method.get(kind)
    # OpenAI's older place for them is the request itself.
    given = {**_object(request, "hyperparameters"), **_object(inner or {}, "hyperparameters", f"method.{kind}")}
    if kind == "reinforcement":
        _check_reward((inner or {}).get("grader"))
        _object(inner or {}, "response_format")
    return cast(Method, kind), _checked(cast(Method, kind), given)


def _check_reward(grader: Json) -> None:
    param = "method.reinforcement.grader"
    graders.read(grader, param=param)
    if asks_people(grader):
        message = f"'{param}' asks people, and the model waits for nobody: ask a model, or compute the reward"
        raise InvalidInput(message, param=param)


def shape(
    method: Method, hyperparameters: Mapping[str, Json], more: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """The method as OpenAI's jobs show it, with what else it has."""
    return {"type": method, method: {**(more or {}), "hyperparameters": dict(hyperparameters)}}


def more(method: Mapping[str, Any] | None) -> dict[str, Json]:
    """What a method, of a request that was read or of a job, has beside hyperparameters: the grader of reinforcement
    and the form of its answers. Raises InvalidInput when that is no JSON."""
    if method is None or method["type"] != "reinforcement":
        return {}
    inner = method["reinforcement"]
    given = {name: inner[name] for name in ("grader", "response_format") if inner.get(name) is not None}
    found: dict[str, Json] = _json(given, "method.reinforcement")
    return found


def check_prompt(grader: Mapping[str, Json], row: PromptRow, param: FilePurpose) -> None:
    """Raises InvalidData for a row that lacks what its grader reads."""
    if name := next((name for part in parts(grader) if (name := missing(whole(part), row.item))), None):
        raise InvalidData(
            f"Invalid file format. Example {row.line}: the grader reads {name!r}, which this row does not have",
            param=param,
            code=f"invalid_{param}",
        )


def usual_batch(rows: int) -> int:
    """What "auto" takes for `batch_size` (training.auto says why)."""
    return max(4, min(16, rows // 16))


def usual_epochs(method: Method, rows: int, batch_size: int) -> int:
    """What "auto" takes for `n_epochs`."""
    if method == "reinforcement":
        return max(1, min(_MOST_EPOCHS_OF_ANSWERS, round(_STEPS_OF_ANSWERS * batch_size / rows)))
    return max(3, min(12 if rows < 100 else 10, round(5000 / rows)))


def with_numbers(hyperparameters: Mapping[str, Json], numbers: Mapping[str, Json]) -> dict[str, Json]:
    """The hyperparameters with what a run has used in place of "auto"."""
    return {name: numbers.get(name, value) for name, value in hyperparameters.items()}


def _object(outer: Json, name: str, where: str = "") -> Mapping[str, Any]:
    if not isinstance(outer, Mapping):
        raise InvalidInput(f"'{where}' must be an object", param=where)
    value = outer.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidInput(f"'{name}' must be an object", param=name)
    return value or {}


def _checked(method: Method, given: Mapping[str, Any]) -> dict[str, Any]:
    standard, ours = {**_STANDARD, **_STANDARD_OF.get(method, {})}, {**_OURS, **_OURS_OF.get(method, _JUDGE)}
    for name in given:
        if name not in standard and name not in ours:
            raise InvalidInput(_unknown(method, name, [*standard, *ours]), param=f"hyperparameters.{name}")
    named = {name: value for name, value in given.items() if value is not None and value != "auto"}
    found = {name: _value(name, reader, named.get(name)) for name, reader in standard.items()}
    found |= {name: _value(name, reader, named[name]) for name, reader in ours.items() if name in named}
    if found.get("tuning") == "full" and (pointless := sorted(_LORA & found.keys())):
        message = f"'{pointless[0]}' is about adapters: leave it out, or 'tuning': 'full'"
        raise InvalidInput(message, param=f"hyperparameters.{pointless[0]}")
    return found


def _value(name: str, reader: _Reader, value: Json) -> Json:
    if value is None:
        return _UNSAID.get(name, "auto")
    try:
        return reader(value)
    except ValueError as error:
        raise InvalidInput(f"'{name}' must be {error}, not {value!r}", param=f"hyperparameters.{name}") from None


def _unknown(method: Method, name: str, known: list[str]) -> str:
    owners = [repr(owner) for by in (_STANDARD_OF, _OURS_OF) for owner, names in by.items() if name in names]
    if owners:
        return f"the hyperparameter {name!r} belongs to {', '.join(owners)}, not to {method!r}"
    if name in _JUDGE:
        return f"{name!r} is no hyperparameter of {method!r}, whose grader is an object: 'method.{method}.grader'"
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    return f"unknown hyperparameter {name!r}; {hint}"


def _whole(low: int, high: int) -> _Reader:
    def read_whole(value: Json) -> int:
        if not _is_number(value) or not low <= value <= high or value != int(value):
            raise ValueError(f'"auto" or a whole number from {low} to {high}')
        return int(value)

    return read_whole


def _number(low: float, high: float, *, above: bool = False) -> _Reader:
    """`above`: the number must be above `low`, which it may equal otherwise."""

    def read_number(value: Json) -> float:
        if not _is_number(value) or not low <= value <= high or (above and value == low):
            least = f"above {low:g}, at most" if above else f"from {low:g} to"
            raise ValueError(f'"auto" or a number {least} {high:g}')
        return float(value)

    return read_number


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(*names: str) -> _Reader:
    def read_name(value: Json) -> str:
        if value not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return str(value)

    return read_name


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _names(value: Json) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name for name in value):
        raise ValueError('a list of names of linear layers, such as ["q_proj", "v_proj"]')
    return list(dict.fromkeys(value))


def _judge(value: Json) -> Json:
    """What judges epochs: a metric's name, or a grader that compares with the reference and asks nobody."""
    if not isinstance(value, Mapping):
        if isinstance(value, str) and value in METRICS:
            return value
        raise ValueError(f"one of {', '.join(METRICS)}, a grader as JSON, or the name of one that is kept")
    param = "hyperparameters.grader"
    graders.read(value, param=param)
    if asks_model(value) or asks_people(value):
        message = "a grader of epochs cannot ask a model or people: choose one that computes, or a metric by its name"
        raise InvalidInput(f"'{param}': {message}", param=param)
    if name := unread(value, JUDGED_BY):
        read = " and ".join(f"item.{known}" for known in JUDGED_BY)
        raise InvalidInput(f"'{param}' reads 'item.{name}', but a grader of epochs has {read} alone", param=param)
    return _json(value, param)


def _json(value: Json, param: str) -> Json:
    """The value as it will be read again. Raises InvalidInput when it is no JSON."""
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as error:
        raise InvalidInput(f"'{param}': {error}", param=param) from None


_STANDARD: Mapping[str, _Reader] = {
    "n_epochs": _whole(1, 50),
    "batch_size": _whole(1, 256),
    "learning_rate_multiplier": _number(0, 1e4, above=True),
}
_PREFERENCE: Mapping[str, _Reader] = {"beta": _number(0, 2, above=True)}
_STANDARD_OF: Mapping[Method, Mapping[str, _Reader]] = {
    "dpo": _PREFERENCE,
    "kto": _PREFERENCE,
    "reinforcement": {
        "reasoning_effort": _one_of(*get_args(Effort)),
        "compute_multiplier": _number(1e-5, 10),
        "eval_interval": _whole(1, 10**6),
        "eval_samples": _whole(1, 1000),
    },
}
#: what is said of a hyperparameter that is not given, where that is not "auto"
_UNSAID = {"reasoning_effort": "default"}
_OURS: Mapping[str, _Reader] = {
    "tuning": _one_of(*get_args(Tuning)),
    "lora_rank": _whole(1, 256),
    "lora_alpha": _number(0, 1024, above=True),
    "lora_targets": _names,
    "quantize": _truth,
    "schedule": _one_of(*get_args(Schedule)),
    "warmup": _number(0, 0.5),
    "weight_decay": _number(0, 1),
    "patience": _whole(1, 50),
}
#: ours for methods whose rows have an answer to compare with
_JUDGE: Mapping[str, _Reader] = {"grader": _judge}
_OURS_OF: Mapping[Method, Mapping[str, _Reader]] = {
    "reinforcement": {
        "beta": _number(0, 2),
        "temperature": _number(0.1, 2),
        "max_completion_tokens": _whole(1, 4096),
    }
}
#: ours that make no sense where every weight is trained
_LORA = frozenset({"lora_rank", "lora_alpha", "lora_targets", "quantize"})
