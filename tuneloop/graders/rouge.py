"""ROUGE-L: the longest common subsequence of words."""

from __future__ import annotations

import re
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

        got, wanted = _words(answer), _words(reference)
        if not got and not wanted:
            return float(answer.strip() == reference.strip())
        return 2 * LCSseq.similarity(got, wanted) / (len(got) + len(wanted))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
