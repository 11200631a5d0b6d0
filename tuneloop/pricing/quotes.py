"""A price and who says so."""

from __future__ import annotations

from typing import NamedTuple

from tuneloop.types import Price


class Quote(NamedTuple):
    """A price with its source, and the day on which it was checked or measured ("2026-11-26") where that is known."""

    price: Price
    source: str
    date: str | None = None

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Dollars of so many tokens."""
        return (prompt_tokens * self.price.input + completion_tokens * self.price.output) / 1_000_000
