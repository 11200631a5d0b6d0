"""Fuzzy match: how few letters have to change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FuzzyMatch:
    """rapidfuzz's `ratio`: 1 - (letters to insert or delete) / (letters of both texts)."""

    name: str = "fuzzy_match"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; 1 for two empty texts."""
        from rapidfuzz import fuzz

        return fuzz.ratio(answer, reference) / 100
