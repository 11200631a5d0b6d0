"""Graders of every kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.words import IGNORED, Operation, works


class StringCheck(TypedDict):
    """Compares two texts."""

    type: Literal["string_check"]
    name: str
    input: Annotated[str, works("a template: {{item.x}}, {{sample.output_text}}, {{sample.output_json.x}}")]
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(TypedDict):
    """Says how near two texts are."""

    type: Literal["text_similarity"]
    name: str
    input: str
    reference: str
    evaluation_metric: Literal[
        "cosine", "fuzzy_match", "bleu", "gleu", "meteor",
        "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l",
    ]  # fmt: skip


class Python(TypedDict):
    """A function `grade(sample, item)`, run in a process without network, with limits of time and memory."""

    type: Literal["python"]
    name: str
    source: str
    image_tag: NotRequired[Annotated[str, IGNORED]]


class ScoreModel(TypedDict):
    """A model that gives a number."""

    type: Literal["score_model"]
    name: str
    model: str
    input: list[dict[str, Any]]
    range: NotRequired[Annotated[list[float], Bounds(min_length=2, max_length=2)]]
    sampling_params: NotRequired[dict[str, Any]]


class LabelModel(TypedDict):
    """A model that gives a label."""

    type: Literal["label_model"]
    name: str
    model: str
    input: list[dict[str, Any]]
    labels: list[str]
    passing_labels: list[str]


class Multi(TypedDict):
    """Several graders and a formula of their names."""

    type: Literal["multi"]
    name: str
    graders: Annotated[dict[str, Any], works("by name; also a list, or one grader, as the SDK types it")]
    calculate_output: str


Grader = StringCheck | TextSimilarity | Python | ScoreModel | LabelModel | Multi


class RunGrader(TypedDict):
    """A grader and what it grades."""

    grader: Grader
    model_sample: str
    item: NotRequired[dict[str, Any]]


class GraderRun(TypedDict):
    """What a grader says."""

    reward: float
    sub_rewards: dict[str, Any]
    metadata: dict[str, Any]
    model_grader_token_usage_per_model: dict[str, Any]


class ValidateGrader(TypedDict):
    """A grader to be checked."""

    grader: Grader


class ValidGrader(TypedDict):
    """The grader, which is right."""

    grader: dict[str, Any]


_GRADERS = "/v1/fine_tuning/alpha/graders"

OPERATIONS = (
    Operation("Graders", "POST", f"{_GRADERS}/run", "Run a grader", RunGrader, GraderRun),
    Operation("Graders", "POST", f"{_GRADERS}/validate", "Check a grader", ValidateGrader, ValidGrader),
)
