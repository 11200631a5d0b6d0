"""Questions as counts of their words and letters, and the labels that they make likely: naive Bayes, closed form.

TF-IDF over words, pairs of words and pieces of words of 2 to 5 letters, then multinomial naive Bayes (Rennie et al.,
2003). On 5,000 questions with 77 labels this took half a second for five folds and doubted wrong labels better than a
logistic regression on the same counts, which took a hundred (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

#: characters of all texts together up to which pieces of words are counted, and the most such pieces
_PIECES_UP_TO, _MOST_PIECES = 2_500_000, 30_000
_MOST_WORDS = 60_000
#: added to each count: small, for there are many counts and few rows of a label
_SMOOTHING = 0.05
#: rows that are learnt from at most, evenly chosen: more change little
_LEARNT = 30_000
#: rows whose counts are in memory at a time
_ASKED = 5_000

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]


class Questions:
    """Texts as weights of their words, made once."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        #: those that the words are taken from: evenly chosen of many
        self.known = np.arange(len(texts))[:: max(1, -(-len(texts) // _LEARNT))]
        self._vectors = _vectorizer(texts)
        self.rows: csr_matrix = self._vectors.fit_transform([texts[i] for i in self.known.tolist()]).astype(np.float32)

    @property
    def are_few(self) -> bool:
        """Whether all of them are among the known."""
        return len(self.known) == len(self.texts)

    def pieces(self) -> Iterator[tuple[int, csr_matrix]]:
        """All of them a piece at a time, with where it begins."""
        if self.are_few:
            yield 0, self.rows
            return
        for begin in range(0, len(self.texts), _ASKED):
            yield begin, self._vectors.transform(self.texts[begin : begin + _ASKED]).astype(np.float32)


def held_out(questions: Questions, labels: Integers, weights: Floats, folds: Integers, count: int) -> Floats:
    """How likely each of `count` labels is for each question, [questions, labels], told by those of the other folds.

    `labels` has -1 for questions that are not learnt from.
    """
    log_likely = np.zeros((len(questions.texts), count), dtype=np.float32)
    place, known = np.flatnonzero(labels[questions.known] >= 0), questions.known
    learnt = known[place]
    models = {}
    for fold in np.unique(folds):
        others = folds[learnt] != fold
        models[fold] = _bayes(questions.rows[place[others]], labels[learnt[others]], weights[learnt[others]], count)
    for begin, asked in questions.pieces():
        places = folds[begin : begin + asked.shape[0]]
        for fold, (log_counts, prior) in models.items():
            these = np.flatnonzero(places == fold)
            log_likely[begin + these] = asked[these] @ log_counts + prior
    return _probabilities(log_likely, labels)


def _vectorizer(texts: Sequence[str]) -> Any:
    """Turns texts into rows of weights."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    least = 1 if len(texts) < 200 else 2
    parts = [TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=least, max_features=_MOST_WORDS)]
    if sum(map(len, texts)) <= _PIECES_UP_TO:
        pieces = {"analyzer": "char_wb", "ngram_range": (2, 5), "max_features": _MOST_PIECES}
        parts.append(TfidfVectorizer(sublinear_tf=True, min_df=least, **pieces))
    return make_union(*parts)


def _bayes(learnt: csr_matrix, labels: Integers, weights: Floats, count: int) -> tuple[Floats, Floats]:
    """The log of each word's share of each label, [words, labels], and of each label's share of the texts."""
    from scipy.sparse import csr_matrix

    which = csr_matrix((weights, (labels, np.arange(len(labels)))), shape=(count, len(labels)), dtype=np.float32)
    counts = np.asarray((which @ learnt).todense()) + np.float32(_SMOOTHING)
    log_counts = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
    prior = np.log(np.bincount(labels, weights, minlength=count) + _SMOOTHING).astype(np.float32)
    return np.ascontiguousarray(log_counts.T), prior


def _probabilities(log_likely: Floats, labels: Integers) -> Floats:
    """Probabilities at the temperature at which the known labels are likeliest: naive Bayes is too sure of itself, or
    with weights below one not sure enough."""
    known = np.flatnonzero(labels >= 0)
    best, best_loss = 1.0, np.inf
    for temperature in (0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0):
        chosen = _softmax(log_likely[known] / temperature)[np.arange(len(known)), labels[known]]
        loss = -float(np.log(np.maximum(chosen, 1e-4)).mean()) if len(known) else 0.0
        if loss < best_loss:
            best, best_loss = temperature, loss
    return _softmax(log_likely / best)


def _softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
