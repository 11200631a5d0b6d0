"""BLEU and GLEU of single answers: how much of their n-grams the reference has too."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

#: the longest n-grams that count
_LONGEST = 4


@dataclass(frozen=True, slots=True)
class Bleu:
    """BLEU of one answer (Papineni et al. 2002), as sacrebleu computes it for sentences: exponential smoothing, 13a
    tokens, orders up to the answer's length."""

    name: str = "bleu"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; sacrebleu's figure divided by 100. 1 for two texts without a token."""
        if not answer.strip() and not reference.strip():
            return 1.0
        # Logarithms and back: a perfect score is a hair beyond 100.
        return min(1.0, float(_bleu().sentence_score(answer, [reference]).score) / 100)


@dataclass(frozen=True, slots=True)
class Gleu:
    """GLEU (Wu et al. 2016, "Google's Neural Machine Translation System", section 4.3): of all n-grams up to four
    tokens, the smaller of precision and recall; tokens are BLEU's."""

    name: str = "gleu"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; 1 for two texts without a token."""
        got, wanted = _grams(answer), _grams(reference)
        most = max(got.total(), wanted.total())
        return (got & wanted).total() / most if most else 1.0


def _grams(text: str) -> Counter[tuple[str, ...]]:
    tokens = _bleu().tokenizer(text).split()
    grams = (zip(*(tokens[start:] for start in range(n)), strict=False) for n in range(1, _LONGEST + 1))
    return Counter(gram for same_length in grams for gram in same_length)


@cache
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)
