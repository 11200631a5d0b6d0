"""Label accuracy, and precision, recall and F1 of each class."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: What models put around a label: quotes, brackets, Markdown emphasis, the full stop. No sign: "-1" is a label.
_WRAPPING = " \t\r\n\"'`“”‘’«»„*()[]{}<>.,:;!?。！？"
#: Ways to join the words of a label ("card_arrival", "card-arrival", "card arrival").
_JOINTS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")

_LONGEST_LABEL = 60
#: Answers are labels when at most this share of them is distinct; names, dates and sums hardly ever repeat.
_DISTINCT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class LabelAccuracy:
    """1 when answer and reference are the same label: case, wrapping and joints aside (see `normal`).

    An answer that says more than the label is wrong: a program that switches on the label could not use it.
    """

    name: str = "label_accuracy"
    binary: bool = True

    def grade(self, answer: str, reference: str) -> float:
        """0 or 1."""
        return float(normal(answer) == normal(reference))


def normal(text: str) -> str:
    """The label without what does not matter: `"Card_Arrival."` and `card-arrival` are both `card arrival`."""
    plain = unicodedata.normalize("NFKC", text).strip(_WRAPPING) or text.strip()
    return _JOINTS.sub(" ", plain.casefold())


def are_labels(references: Sequence[str], most: float = 1.0) -> bool:
    """Whether `most` of these answers are short and on one line, and all are two or more for each distinct one."""
    short = sum(0 < len(r.strip()) <= _LONGEST_LABEL and "\n" not in r.strip() for r in references)
    if short < most * len(references):
        return False
    return 0 < len({normal(r) for r in references}) <= _DISTINCT_SHARE * len(references)


def per_class(answers: Sequence[str], references: Sequence[str]) -> dict[str, Mapping[str, float]]:
    """Precision, recall, F1 and support (rows) of every label that occurs among the references, sorted by label.

    Keys are the labels as the first reference spells them. A ratio over nothing is 0 (as in scikit-learn).
    """
    spelling = _spelling(references)
    pairs = [(normal(a), normal(r)) for a, r in zip(answers, references, strict=True)]
    said, meant = Counter(a for a, _ in pairs), Counter(r for _, r in pairs)
    right = Counter(r for a, r in pairs if a == r)
    return {spelling[label]: _ratios(right[label], said[label], meant[label]) for label in sorted(spelling)}


def _spelling(references: Sequence[str]) -> dict[str, str]:
    """Each label as the first reference spells it."""
    spelling: dict[str, str] = {}
    for reference in references:
        spelling.setdefault(normal(reference), reference.strip())
    return spelling


def _ratios(right: int, said: int, meant: int) -> dict[str, float]:
    return {
        "precision": right / said if said else 0.0,
        "recall": right / meant,
        "f1": 2 * right / (said + meant),
        "support": meant,
    }
