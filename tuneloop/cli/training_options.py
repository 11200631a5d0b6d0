"""The options of `tuneloop tune` that say how a model learns: one for each hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tuneloop.errors import InvalidInput
from tuneloop.protocols import Schedule as Schedules
from tuneloop.protocols import Tuning as Tunings

_TRAINING = "Training"
_ADAPTER = "Training: which weights"

Epochs = Annotated[str, typer.Option(help="Times through the data: 1 to 50, or auto.", rich_help_panel=_TRAINING)]
BatchSize = Annotated[str, typer.Option(help="Examples in a step: 1 to 256, or auto.", rich_help_panel=_TRAINING)]
LearningRateMultiplier = Annotated[
    str, typer.Option(help="Factor on the learning rate, or auto.", rich_help_panel=_TRAINING)
]
Schedule = Annotated[
    Schedules | None,
    typer.Option(help="How the learning rate goes on after its rise; default: cosine.", rich_help_panel=_TRAINING),
]
Warmup = Annotated[
    float | None,
    typer.Option(
        help="Share of the steps in which the learning rate rises: 0 to 0.5; default: 0.1.", rich_help_panel=_TRAINING
    ),
]
WeightDecay = Annotated[
    float | None,
    typer.Option(help="Pull of the trained weights to zero: 0 to 1; default: 0.", rich_help_panel=_TRAINING),
]
Patience = Annotated[
    int | None,
    typer.Option(help="End after so many epochs without a better validation result.", rich_help_panel=_TRAINING),
]
Grader = Annotated[
    str | None,
    typer.Option(
        help="Keep the epoch whose answers this grader scores highest (exact_match, json_match, chrf, ...), "
        "not the one with the lowest loss.",
        rich_help_panel=_TRAINING,
    ),
]
Beta = Annotated[
    str,
    typer.Option(
        help="dpo and kto: how strongly the model is held near what it was: up to 2, or auto.",
        rich_help_panel=_TRAINING,
    ),
]
Tuning = Annotated[
    Tunings | None,
    typer.Option(
        help="lora: an adapter; full: every weight of a small model; default: lora.", rich_help_panel=_ADAPTER
    ),
]
LoraRank = Annotated[str, typer.Option(help="Size of the adapter: 1 to 256, or auto.", rich_help_panel=_ADAPTER)]
LoraAlpha = Annotated[
    str, typer.Option(help="Weight of the adapter, divided by its rank: a number, or auto.", rich_help_panel=_ADAPTER)
]
LoraTarget = Annotated[
    list[str] | None,
    typer.Option(
        help="Linear layer that gets an adapter (q_proj); may be repeated. Default: all.", rich_help_panel=_ADAPTER
    ),
]
Quantize = Annotated[
    bool, typer.Option("--quantize", help="Keep the frozen weights in 4 bits (QLoRA).", rich_help_panel=_ADAPTER)
]


def numbers(options: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters from options of the same names: those that were given; digits become numbers."""
    given = {name: value for name, value in options.items() if value not in (None, "auto", []) and value is not False}
    return {name: _number(name, value) for name, value in given.items()}


def _number(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name not in _NUMBERS:
        return value
    try:
        return int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        raise InvalidInput(f"{_NUMBERS[name]} must be a number or auto, not {value!r}") from None


#: what is a number or "auto", and its option
_NUMBERS = {
    "n_epochs": "--epochs",
    "batch_size": "--batch-size",
    "learning_rate_multiplier": "--learning-rate-multiplier",
    "beta": "--beta",
    "lora_rank": "--lora-rank",
    "lora_alpha": "--lora-alpha",
}
