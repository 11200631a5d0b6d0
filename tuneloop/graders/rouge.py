"""ROUGE: n-grams of words that two texts share, and their longest common subsequence."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class RougeL:
    """F1 of the longest common subsequence of words (Lin 2004, "ROUGE: A Package for Automatic Evaluation of
    Summaries", equations 2 to 4 with beta = 1), case and punctuation aside, no stemming.

    Scripts without spaces have no words here; chrF serves them better.
    """

    name: str = "rouge_l"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """2 LCS / (words of the answer + words of the reference); 1 when neither has a word, being equal then."""
        from rapidfuzz.distance import LCSseq

        got, wanted = words(answer), words(reference)
        if not got and not wanted:
            return float(answer.strip() == reference.strip())
        return 2 * LCSseq.similarity(got, wanted) / (len(got) + len(wanted))


@dataclass(frozen=True, slots=True)
class RougeN:
    """F1 of the n-grams of words (Lin 2004, section 2, as precision and recall), case and punctuation aside."""

    n: int
    binary: bool = False

    @property
    def name(self) -> str:
        """ "rouge_1" and so on."""
        return f"rouge_{self.n}"

    def grade(self, answer: str, reference: str) -> float:
        """2 shared / (n-grams of the answer + those of the reference); when neither has one, 1 for the same words."""
        got, wanted = words(answer), words(reference)
        got_grams, wanted_grams = _grams(got, self.n), _grams(wanted, self.n)
        count = got_grams.total() + wanted_grams.total()
        if not count:
            return float(got == wanted and (bool(got) or answer.strip() == reference.strip()))
        return 2 * (got_grams & wanted_grams).total() / count


def words(text: str) -> list[str]:
    """The words of a text in lower case, punctuation left out."""
    return _WORD.findall(text.casefold())


def _grams(found: list[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(found[start:] for start in range(n)), strict=False))
