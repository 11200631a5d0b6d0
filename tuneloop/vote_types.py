"""The nouns of blind votes on answers, as `types` has the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """What somebody said of two answers to a row of an evaluation, without knowing whose they were."""

    id: str
    created_at: float
    evaluation_id: str
    row_id: str
    user: str
    #: the arms in the order in which their answers were shown
    first: str
    second: str
    #: 1 or 2, which of them is better; 0 is no difference
    choice: int

    @property
    def better(self) -> str | None:
        """The arm whose answer is better, if one is."""
        return (None, self.first, self.second)[self.choice]
