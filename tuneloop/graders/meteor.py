"""METEOR: words that match, whole or by their stem, and how little their order is broken up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tuneloop.graders.rouge import words

#: the constants of Lavie and Agarwal 2007 for the recall's weight and the penalty: F = PR / (aP + (1-a)R), g x^b
_ALPHA, _BETA, _GAMMA = 0.9, 3.0, 0.5


@dataclass(frozen=True, slots=True)
class Meteor:
    """METEOR (Banerjee and Lavie 2005) with its exact and Porter stem modules; the module of synonyms is left out, it
    needs WordNet. Case and punctuation aside. A perfect match is not penalised, as in METEOR 1.5."""

    name: str = "meteor"
    binary: bool = False

    def grade(self, answer: str, reference: str) -> float:
        """From 0 to 1; two texts without a word have 1 when they are equal."""
        got, wanted = words(answer), words(reference)
        if not got and not wanted:
            return float(answer.strip() == reference.strip())
        pairs = _align(got, wanted)
        if not pairs:
            return 0.0
        precision, recall = len(pairs) / len(got), len(pairs) / len(wanted)
        mean = precision * recall / (_ALPHA * precision + (1 - _ALPHA) * recall)
        chunks = 1 + sum(after != (i + 1, j + 1) for (i, j), after in zip(pairs, pairs[1:], strict=False))
        perfect = chunks == precision == recall == 1
        return mean * (1 - (0.0 if perfect else _GAMMA * (chunks / len(pairs)) ** _BETA))


def _align(got: Sequence[str], wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions that match, in the order of the answer: equal words first, then equal stems of the rest.

    A word takes the place behind its neighbour's match where it can, so that there are few chunks, else the first.
    """
    matched: dict[int, int] = {}
    stems = [_stemmer().stemWords(side) for side in (got, wanted)]
    for answer, reference in ((got, wanted), stems):
        free: dict[str, set[int]] = {}
        for place in set(range(len(wanted))) - set(matched.values()):
            free.setdefault(reference[place], set()).add(place)
        for position in (p for p in range(len(got)) if p not in matched):
            if places := free.get(answer[position]):
                behind = matched.get(position - 1, -2) + 1
                matched[position] = behind if behind in places else min(places)
                places.remove(matched[position])
    return sorted(matched.items())


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("porter")
