"""The options of `tuneloop tune` that say how a model learns: one for each hyperparameter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tuneloop.cli import grader_files
from tuneloop.errors import InvalidInput
from tuneloop.protocols import Effort
from tuneloop.protocols import Method as Methods
from tuneloop.protocols import Schedule as Schedules
from tuneloop.protocols import Tuning as Tunings

_TRAINING = "Training"
_ADAPTER = "Training: which weights"
_ANSWERS = "Training: answers of its own (reinforcement)"

Method = Annotated[
    Methods,
    typer.Option(
        help="What is learnt from: answers to imitate (supervised), corrections beside the answers they correct (dpo), "
        "thumbs up and down (kto), grades of answers of its own (reinforcement)."
    ),
]
Estimate = Annotated[
    bool, typer.Option("--estimate", help="Say what it would take, and what speaks against it; make no job.")
]
Suffix = Annotated[str | None, typer.Option(help="Part of the tuned model's name; default: the data set's.")]
Prompt = Annotated[
    str | None,
    typer.Option(
        help="A Prompt (NAME or NAME@VERSION) in place of the rows' own instructions: the model learns those by heart, "
        "and is asked with this one alone."
    ),
]
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
        help="Keep the epoch whose answers this grader scores highest, not the one with the lowest loss: a metric "
        "(exact_match, json_match, chrf, ...), a grader of `tuneloop graders`, or a JSON file. For reinforcement: the "
        "grader whose grades are the rewards.",
        rich_help_panel=_TRAINING,
    ),
]
Beta = Annotated[
    str,
    typer.Option(
        help="dpo, kto and reinforcement: how strongly the model is held near what it was: up to 2, or auto.",
        rich_help_panel=_TRAINING,
    ),
]
ComputeMultiplier = Annotated[
    str,
    typer.Option(help="Factor on the 8 answers drawn to each prompt: up to 10, or auto.", rich_help_panel=_ANSWERS),
]
EvalInterval = Annotated[
    str,
    typer.Option(help="Steps from one look at the validation rows to the next, or auto.", rich_help_panel=_ANSWERS),
]
EvalSamples = Annotated[str, typer.Option(help="Answers to each validation row, or auto.", rich_help_panel=_ANSWERS)]
ReasoningEffort = Annotated[
    Effort | None,
    typer.Option(
        help="How long answers may be: low 128 tokens, medium 256, high 512; default: medium.",
        rich_help_panel=_ANSWERS,
    ),
]
MaxCompletionTokens = Annotated[
    int | None, typer.Option(help="Tokens that an answer may have at most.", rich_help_panel=_ANSWERS)
]
Temperature = Annotated[
    float | None, typer.Option(help="Answers are drawn at: 0.1 to 2; default: 1.", rich_help_panel=_ANSWERS)
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


def grader(given: str | None, *, is_needed: bool) -> Any:
    """A grader: the name of one, or the JSON in a file, which a path or a name with .json means. Raises
    InvalidInput."""
    if given is None:
        if is_needed:
            raise InvalidInput("reinforcement needs a grader, in a JSON file: --grader FILE (docs/reinforcement.md)")
        return None
    path = Path(given)
    if path.suffix != ".json" and path.name == given and not path.is_file():
        return given
    return grader_files.read(path)


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
    "compute_multiplier": "--compute-multiplier",
    "eval_interval": "--eval-interval",
    "eval_samples": "--eval-samples",
    "lora_rank": "--lora-rank",
    "lora_alpha": "--lora-alpha",
}
