"""Evaluations: asked for, followed, their reports."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tuneloop import types, vote_types
from tuneloop.api.contract.words import Operation, Page


class Tune(TypedDict, total=False):
    """The trainings of a whole verdict."""

    #: a text, "prompt:NAME", "" for none; null takes the first sentence of the rows' own instructions
    short: str | None
    hyperparameters: dict[str, Any]
    seed: int | None
    curve: bool
    regression: bool


class CreateEvaluation(TypedDict):
    """What is compared, on which rows, and how it is graded."""

    dataset: str
    models: NotRequired[list[str]]
    base: NotRequired[str | None]
    shots: NotRequired[int]
    pick: NotRequired[Literal["random", "similar", "both"]]
    logged: NotRequired[bool]
    split: NotRequired[types.Split]
    rows: NotRequired[int | None]
    graders: NotRequired[list[str | dict[str, Any]]]
    concurrency: NotRequired[int]
    margin: NotRequired[float]
    level: NotRequired[float]
    baseline: NotRequired[str | None]
    candidate: NotRequired[str | None]
    max_dollars: NotRequired[float | None]
    timeout: NotRequired[float]
    tune: NotRequired[Tune | None]


class DeletedEvaluation(TypedDict):
    """What is said of a deleted evaluation."""

    id: str
    object: Literal["evaluation.deleted"]
    deleted: Literal[True]


class Ballot(TypedDict):
    """A row whose two answers somebody is asked about."""

    row_id: str
    question: str
    reference: str
    answers: list[str]
    done: int
    total: int


class NextBallot(TypedDict):
    """The next ballot; null when somebody has voted on all."""

    object: Literal["ballot"]
    evaluation_id: str
    ballot: Ballot | None


class Ends(TypedDict):
    """A share with its interval, from 0 to 1."""

    mean: float
    low: float
    high: float


class VoteResult(TypedDict):
    """What the votes on two arms say; `wins` are the candidate's."""

    baseline: str
    candidate: str
    votes: int
    rows: int
    wins: int
    losses: int
    ties: int
    share: Ends
    sentence: str


class VotePage(Page[vote_types.Vote]):
    """Votes, and what all of them say."""

    results: list[VoteResult]


class CastVote(TypedDict):
    """Which answer of a ballot is better: 1 or 2, as they were shown; 0 for no difference."""

    row_id: str
    choice: Literal[0, 1, 2]
    user: str
    baseline: NotRequired[str]
    candidate: NotRequired[str]


_ALL, _ONE = "/v1/evaluations", "/v1/evaluations/{evaluation_id}"

OPERATIONS = (
    Operation("Tuneloop", "POST", _ALL, "Compare models, or tune and compare", CreateEvaluation, types.Evaluation),
    Operation("Tuneloop", "GET", _ALL, "What was compared, newest first", gives=Page[types.Evaluation]),
    Operation("Tuneloop", "GET", _ONE, "One of them", gives=types.Evaluation),
    Operation("Tuneloop", "POST", f"{_ONE}/cancel", "End one that is under way", gives=types.Evaluation),
    Operation("Tuneloop", "DELETE", _ONE, "Forget one with its answers", gives=DeletedEvaluation),
    Operation(
        "Tuneloop", "GET", f"{_ONE}/report", "Its report, to send around",
        gives=dict[str, Any], writes=("text/html", "text/markdown", "application/json"),
        note="`?form=html`, `markdown` or `json`",
    ),
    Operation("Tuneloop", "GET", f"{_ONE}/ballot", "The next row for somebody to vote on, blind", gives=NextBallot),
    Operation("Tuneloop", "POST", f"{_ONE}/votes", "Vote", CastVote, vote_types.Vote),
    Operation("Tuneloop", "GET", f"{_ONE}/votes", "The votes, and what they say", gives=VotePage),
)  # fmt: skip
