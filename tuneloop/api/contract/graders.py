"""Graders of every kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Bounds
from typing_extensions import TypedDict

from tuneloop.api.contract.words import IGNORED, Operation, Page, works

OURS = works("Tuneloop's own")


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
    swap: NotRequired[Annotated[bool, works("Tuneloop's own: both orders of the answer and item.other are asked")]]
    calibration: NotRequired[Annotated[dict[str, Any], works("Tuneloop's own: from the judge's scale to people's")]]


class LabelModel(TypedDict):
    """A model that gives a label."""

    type: Literal["label_model"]
    name: str
    model: str
    input: list[dict[str, Any]]
    labels: list[str]
    passing_labels: list[str]
    swap: NotRequired[Annotated[dict[str, str], works("Tuneloop's own: what labels become in the other order")]]
    calibration: NotRequired[dict[str, Any]]


class Multi(TypedDict):
    """Several graders and a formula of their names."""

    type: Literal["multi"]
    name: str
    graders: Annotated[dict[str, Any], works("by name; also a list, or one grader, as the SDK types it")]
    calculate_output: str


class JsonGrader(TypedDict):
    """Says whether an answer is JSON, fits a schema, or has the reference's fields."""

    type: Literal["json"]
    name: str
    mode: NotRequired[Annotated[Literal["valid", "schema", "exact", "fields"], OURS]]
    input: NotRequired[str]
    reference: NotRequired[str]
    schema: NotRequired[Annotated[dict[str, Any] | str, works("JSON Schema, or a template that gives one")]]


class Label(TypedDict):
    """Compares two labels; case, wrapping and joints aside."""

    type: Literal["label"]
    name: str
    input: NotRequired[str]
    reference: NotRequired[str]
    labels: NotRequired[list[str]]


class Regex(TypedDict):
    """Looks for a pattern."""

    type: Literal["regex"]
    name: str
    pattern: Annotated[str, OURS]
    mode: NotRequired[Literal["search", "match", "full"]]
    input: NotRequired[str]
    negate: NotRequired[Annotated[bool, OURS]]


class Sql(TypedDict):
    """Prepares a query, or compares its rows with the reference's."""

    type: Literal["sql"]
    name: str
    setup: NotRequired[Annotated[str, works("a script that makes the database; {{item.setup}}")]]
    mode: NotRequired[Literal["equal", "valid"]]
    input: NotRequired[str]
    reference: NotRequired[str]


class Pairwise(TypedDict):
    """A model that says which of two answers is better, in both orders."""

    type: Literal["pairwise"]
    name: str
    model: str
    input: NotRequired[list[dict[str, Any]]]
    sampling_params: NotRequired[dict[str, Any]]


class Human(TypedDict):
    """A person who is asked."""

    type: Literal["human"]
    name: str
    question: NotRequired[Annotated[str, OURS]]
    context: NotRequired[Annotated[str, OURS]]
    input: NotRequired[str]
    labels: NotRequired[list[str]]
    passing_labels: NotRequired[list[str]]
    range: NotRequired[Annotated[list[float], Bounds(min_length=2, max_length=2)]]


Grader = (
    StringCheck
    | TextSimilarity
    | Python
    | ScoreModel
    | LabelModel
    | Multi
    | JsonGrader
    | Label
    | Regex
    | Sql
    | Pairwise
    | Human
)
Named = Annotated[str, works("the name of a grader that is kept: helpful, helpful@2")]


class RunGrader(TypedDict):
    """A grader and what it grades."""

    grader: Grader | Named
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

    grader: Grader | Named


class ValidGrader(TypedDict):
    """The grader, which is right."""

    grader: dict[str, Any]


class CreateGrader(TypedDict):
    """A version of a grader."""

    name: str
    definition: Grader | Named
    note: NotRequired[str | None]


class GraderVersion(TypedDict):
    """A version of a named grader."""

    id: str
    object: Literal["grader"]
    created_at: float
    name: str
    version: int
    definition: dict[str, Any]
    note: str | None


class CreateMonitor(TypedDict, total=False):
    """Which new calls a grader looks at."""

    where: str
    share: float


class Monitor(TypedDict):
    """A grader that looks at a share of the new calls."""

    id: str
    object: Literal["monitor"]
    created_at: float
    grader: str
    filter: str
    share: float
    since: float
    graded: int
    failed: int
    problem: str | None


class DeletedGrader(TypedDict):
    """What is said of a grader that is forgotten."""

    id: str
    object: Literal["grader.deleted"]
    deleted: Literal[True]


class DeletedMonitor(TypedDict):
    """What is said of a monitor that was ended."""

    id: str
    object: Literal["monitor.deleted"]
    deleted: Literal[True]


class NamedGrader(GraderVersion):
    """It, and what goes on with it."""

    versions: list[int]
    waiting: Annotated[int, works("questions that nobody has answered")]
    monitor: Monitor | None


class Review(TypedDict):
    """A question to people, and what was said."""

    id: str
    object: Literal["review"]
    created_at: float
    grader: str
    question: str
    shown: list[str]
    labels: list[str]
    passing: list[str]
    low: float
    high: float
    subject: str | None
    value: str | float | None
    reward: float | None
    user: str | None
    comment: str | None
    answered_at: float | None


class AnswerReview(TypedDict):
    """What a person says."""

    id: str
    value: Annotated[str | float, works("one of the labels, or a number in range")]
    comment: NotRequired[str | None]
    user: NotRequired[str | None]


_GRADERS = "/v1/fine_tuning/alpha/graders"
_NAMED = "/v1/graders/{name}"

OPERATIONS = (
    Operation("Graders", "POST", f"{_GRADERS}/run", "Run a grader", RunGrader, GraderRun),
    Operation("Graders", "POST", f"{_GRADERS}/validate", "Check a grader", ValidateGrader, ValidGrader),
    Operation("Tuneloop", "POST", "/v1/graders", "Keep a version of a grader", CreateGrader, GraderVersion),
    Operation("Tuneloop", "GET", "/v1/graders", "List the graders that are kept", gives=Page[GraderVersion]),
    Operation("Tuneloop", "GET", _NAMED, "Retrieve one", gives=NamedGrader),
    Operation("Tuneloop", "DELETE", _NAMED, "Forget one with its versions", gives=DeletedGrader),
    Operation("Tuneloop", "POST", f"{_NAMED}/monitor", "Let it look at new calls", CreateMonitor, Monitor),
    Operation("Tuneloop", "DELETE", f"{_NAMED}/monitor", "No longer", gives=DeletedMonitor),
    Operation("Tuneloop", "GET", f"{_NAMED}/queue", "What it asks of people", gives=Page[Review]),
    Operation("Tuneloop", "POST", f"{_NAMED}/queue", "Answer a question", AnswerReview, Review),
    Operation("Tuneloop", "DELETE", f"{_NAMED}/queue/{{review_id}}", "Take an answer back", gives=Review),
)
