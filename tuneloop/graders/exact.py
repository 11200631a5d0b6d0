"""Exact match."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """1 when answer and reference are the same characters, white space at both ends aside."""

    name: str = "exact_match"
    binary: bool = True

    def grade(self, answer: str, reference: str) -> float:
        """0 or 1."""
        return float(answer.strip() == reference.strip())
