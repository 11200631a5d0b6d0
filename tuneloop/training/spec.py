"""What a run is told: spec.json, read and checked before anything expensive."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import orjson

from tuneloop.errors import InvalidInput
from tuneloop.protocols import Effort, Method, Schedule, TrainingSpec, Tuning


def read_spec(folder: Path) -> TrainingSpec:
    """The spec.json of a folder. Raises InvalidInput."""
    try:
        spec = TrainingSpec(**orjson.loads((folder / "spec.json").read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise InvalidInput(f"{folder / 'spec.json'} is no training spec: {error}") from None
    check_spec(spec)
    return spec


def check_spec(spec: TrainingSpec) -> None:
    """Raises InvalidInput that names the field, for all but the numbers that `auto.choose` fills in."""
    for name, kind in (("method", Method), ("tuning", Tuning), ("schedule", Schedule), ("reasoning_effort", Effort)):
        value = getattr(spec, name)
        if value not in get_args(kind):
            raise InvalidInput(f"{name} must be one of {', '.join(get_args(kind))}, not {value!r}", param=name)
    if spec.beta != "auto":
        check_number("beta", spec.beta, 0 if spec.method == "reinforcement" else 1e-4, 100)
    check_number("warmup", spec.warmup, 0, 1)
    check_number("weight_decay", spec.weight_decay, 0, 1)
    if spec.patience is not None:
        check_number("patience", spec.patience, 1, math.inf, int)
    if spec.grader is not None and spec.validation_file is None:
        raise InvalidInput("a grader chooses the best epoch by answers to a validation file: give one", param="grader")


def check_number(name: str, value: Any, least: float, most: float, kind: type = float) -> None:
    """Raises InvalidInput unless `value` is a number (an int where `kind` is int) from `least` to `most`."""
    fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if not fits or not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        range_ = f"from {least:g}" + ("" if most == math.inf else f" to {most:g}")
        raise InvalidInput(f"{name} must be {what} {range_}, not {value!r}", param=name)
