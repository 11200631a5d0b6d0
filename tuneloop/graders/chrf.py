"""chrF: how many character n-grams two texts share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Chrf:
    """chrF2 of one answer (Popović 2015, character n-grams to 6, recall counts twice), as sacrebleu computes it."""

    name: str = "chrf"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; sacrebleu's figure divided by 100."""
        return float(_metric().sentence_score(answer, [reference]).score) / 100


@cache
def _metric() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
