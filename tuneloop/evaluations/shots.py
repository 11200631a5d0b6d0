"""Few-shot examples: the same ones for every row, or for each row those that are most like it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from tuneloop.calls import text_of
from tuneloop.evaluations.arms import Picker, is_instruction
from tuneloop.types import Example, Json


class Spread:
    """The same `k` examples for every row: chosen at random from the shorter half, spread over distinct answers."""

    def __init__(self, examples: Sequence[Example], k: int = 5, seed: int = 0) -> None:
        """`examples` should be the train split only; its order does not matter."""
        self.chosen = _spread(examples, k, seed)
        self.about: dict[str, Json] = {"pick": "random", "k": k, "ids": [example.id for example in self.chosen]}

    def pick(self, row: Example) -> Sequence[Example]:
        """Always the same."""
        return self.chosen


class Similar:
    """The `k` examples whose questions are most like a row's: cosine of TF-IDF over words and pieces of words.

    The most similar one comes last, next to the question (Liu et al. 2022, "What Makes Good In-Context Examples for
    GPT-3?"). An example with the very question of the row is left out: it would give the answer away.
    """

    def __init__(self, examples: Sequence[Example], k: int = 5) -> None:
        """`examples` should be the train split only; its order does not matter."""
        self._examples = sorted(examples, key=lambda example: example.id)
        self._k = k
        self.about: dict[str, Json] = {"pick": "similar", "k": k, "ids": [example.id for example in self._examples]}

    def pick(self, row: Example) -> Sequence[Example]:
        """The least similar of the chosen ones first."""
        if not self._examples:
            return []
        vectorizer, matrix = self._index
        likeness = (matrix @ vectorizer.transform([_question(row)]).T).toarray()[:, 0]
        best = sorted(range(len(self._examples)), key=lambda i: (-likeness[i], i))
        chosen = (self._examples[i] for i in best if _question(self._examples[i]) != _question(row))
        return [example for example, _ in zip(chosen, range(self._k), strict=False)][::-1]

    @cached_property
    def _index(self) -> tuple[Any, Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        return vectorizer, vectorizer.fit_transform(map(_question, self._examples))


def _spread(examples: Sequence[Example], k: int, seed: int) -> list[Example]:
    by_length = sorted(examples, key=lambda e: (_length(e), e.id))
    short = by_length[: max(k, (len(by_length) + 1) // 2)]
    groups: dict[str, list[Example]] = {}
    for example in short:
        groups.setdefault(text_of(example.messages[-1]).strip(), []).append(example)
    answers = sorted(groups)
    random.Random(seed).shuffle(answers)
    deepest = max(map(len, groups.values()), default=0)
    rounds = [groups[a][turn] for turn in range(deepest) for a in answers if turn < len(groups[a])]
    return rounds[:k]


def _question(row: Example) -> str:
    return "\n".join(text_of(m) for m in row.messages[:-1] if not is_instruction(m))


def _length(example: Example) -> int:
    return sum(len(text_of(m)) for m in example.messages)


PICKERS: Mapping[str, Callable[[Sequence[Example], int], Picker]] = {"random": Spread, "similar": Similar}
