"""The nouns of graders that are kept: versions, what people are asked, monitors; as `types` has the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuneloop.types import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class GraderVersion:
    """A version of a named grader. It never changes."""

    id: str
    created_at: float
    name: str
    #: counted from 1
    version: int
    #: the grader's JSON
    definition: Mapping[str, Json]
    note: str | None = None

    @property
    def reference(self) -> str:
        """What names this version: "helpful@2"."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Review:
    """A question to people about exactly these texts, and what was said."""

    #: hash of the question
    id: str
    created_at: float
    #: the grader's name
    grader: str
    question: str
    #: what is shown, the answer last
    shown: Sequence[str]
    #: of labels: all, and those that pass; empty where a number is asked for
    labels: Sequence[str] = ()
    passing: Sequence[str] = ()
    #: of a number
    low: float = 0.0
    high: float = 1.0
    #: the Log or row that it was first asked for
    subject: str | None = None
    #: what was said (a label or a number), the reward that it makes, by whom; None until then
    value: str | float | None = None
    reward: float | None = None
    user: str | None = None
    comment: str | None = None
    answered_at: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitor:
    """A grader that looks at a share of the new calls that match a filter, while the server runs."""

    id: str
    created_at: float
    #: name of the grader ("helpful"), or of one of its versions ("helpful@2")
    grader: str
    filter: str = ""
    #: of calls that match, from 0 to 1
    share: float = 1.0
    #: calls made before this have been looked at
    since: float
    graded: int = 0
    failed: int = 0
    #: why it does not grade, while it does not
    problem: str | None = None
