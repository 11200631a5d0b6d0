"""What can be said of how a model learns, as fields: hyperparameters with their words, as a page's URL holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import orjson

from tuneloop.errors import InvalidInput
from tuneloop.protocols import Effort, Method, Schedule, Tuning

METHODS: Mapping[str, tuple[str, str]] = {
    "supervised": ("Answers", "Imitates the answers: those that people liked, and those that they corrected."),
    "dpo": ("Corrections", "Learns from each better answer beside the one that it corrects."),
    "kto": ("Thumbs", "Learns from thumbs: more like the good answers, less like the bad ones."),
    "reinforcement": ("Grades", "Writes answers of its own, and learns from the grades that they get."),
}
CARES: Mapping[str, str] = {"quick": "Quick", "usual": "Usual", "thorough": "Thorough"}

Kind = Literal["number", "choice", "truth", "names"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Hyperparameter:
    """A hyperparameter of docs/api.md as a field."""

    name: str
    label: str
    hint: str
    kind: Kind = "number"
    #: of a choice
    options: Sequence[str] = ()
    #: those that have it; none means all
    methods: Sequence[Method] = ()

    def belongs(self, method: str) -> bool:
        """Whether a method has it."""
        return not self.methods or method in self.methods

    def read(self, text: str) -> Any:
        """The value that a text stands for. Raises InvalidInput."""
        if self.kind == "truth":
            return text == "true"
        if self.kind == "names":
            return text.replace(",", " ").split()
        return number(text, self.label) if self.kind == "number" else text


_OWN: tuple[Method, ...] = ("reinforcement",)
_HOW = (
    Hyperparameter(name="n_epochs", label="Epochs", hint="Times through the rows, in place of how thorough"),
    Hyperparameter(name="batch_size", label="Batch size", hint="Rows in a step, 1 to 256"),
    Hyperparameter(name="learning_rate_multiplier", label="Learning rate, times", hint="1 is what measurements say"),
    Hyperparameter(name="patience", label="Patience", hint="Ends after so many epochs that are no better"),
    Hyperparameter(
        name="schedule", label="Schedule", hint="The learning rate after its rise", kind="choice",
        options=get_args(Schedule),
    ),
    Hyperparameter(name="warmup", label="Warm-up", hint="Share of steps in which the rate rises, 0 to 0.5"),
    Hyperparameter(name="weight_decay", label="Weight decay", hint="Pull of the weights to zero, 0 to 1"),
    Hyperparameter(
        name="beta", label="Beta", hint="How strongly it is held near what it was, up to 2",
        methods=("dpo", "kto", "reinforcement"),
    ),
)  # fmt: skip
_WEIGHTS = (
    Hyperparameter(
        name="tuning", label="What is trained", hint="An adapter (lora), or every weight (full)", kind="choice",
        options=get_args(Tuning),
    ),
    Hyperparameter(name="lora_rank", label="Adapter's rank", hint="Its size, 1 to 256"),
    Hyperparameter(name="lora_alpha", label="Adapter's alpha", hint="Its weight, divided by the rank"),
    Hyperparameter(name="lora_targets", label="Adapter's layers", hint="Such as q_proj, v_proj; all", kind="names"),
    Hyperparameter(name="quantize", label="Frozen weights in 4 bits (QLoRA)", hint="", kind="truth"),
)  # fmt: skip
_ANSWERS = (
    Hyperparameter(name="compute_multiplier", label="Answers, times", hint="Of 8 to a prompt, to 10", methods=_OWN),
    Hyperparameter(name="eval_interval", label="Steps between looks", hint="At the validation rows", methods=_OWN),
    Hyperparameter(name="eval_samples", label="Answers in a look", hint="To each validation row", methods=_OWN),
    Hyperparameter(
        name="reasoning_effort", label="Length of answers", hint="128, 256 or 512 tokens", kind="choice",
        options=get_args(Effort), methods=_OWN,
    ),
    Hyperparameter(name="max_completion_tokens", label="Most tokens", hint="Of an answer, to 4096", methods=_OWN),
    Hyperparameter(name="temperature", label="Temperature", hint="Answers are drawn at, 0.1 to 2", methods=_OWN),
)  # fmt: skip
GROUPS = {"How it learns": _HOW, "Which weights": _WEIGHTS, "Answers of its own": _ANSWERS}
#: every name in the URL that is folded away
FOLDED = ("method", "prompt", "seed", "grader", *(one.name for group in GROUPS.values() for one in group))


def hyperparameters(method: str, query: Mapping[str, str]) -> dict[str, Any]:
    """Those that a URL gives. Raises InvalidInput."""
    every = [one for group in GROUPS.values() for one in group if one.belongs(method)]
    found = {one.name: one.read(query[one.name]) for one in every if query.get(one.name)}
    return found | ({"grader": _grader(query["grader"])} if query.get("grader") else {})


def number(text: str, label: str) -> float:
    """A number of a text, whole where it is. Raises InvalidInput that names the field."""
    try:
        value = float(text)
        return int(value) if value.is_integer() else value
    except (ValueError, OverflowError):
        raise InvalidInput(f"{label}: {text!r} is no number") from None


def _grader(text: str) -> Any:
    """A grader: its name, or its JSON."""
    if not text.lstrip().startswith("{"):
        return text.strip()
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise InvalidInput(f"Grader: {error}") from None


def as_json(value: Any) -> str:
    """A grader as the text that `hyperparameters` reads."""
    return orjson.dumps(value).decode()
