"""Answers that are probably wrong: told by the rest of the data and by people, each as far as it can be trusted.

Confident learning (Northcutt et al., 2021) with people as a second witness (Dawid and Skene, 1979): a classifier that
has not seen a row says how likely its label is; how often thumbs are mistaken is estimated with it, by expectation and
maximisation over all rows, so that careless ratings count for little and careful ones for much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneloop.checks.features import Floats, Integers, Questions, held_out
from tuneloop.checks.findings import Finding, FixName
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.survey import Facts
from tuneloop.checks.texts import bare, clip, digest

#: rows below which the rest of the data is no witness
FEWEST = 30
_FOLDS = 5
_ROUNDS = 2
#: how likely a correction has to be, and how likely another label for that to count
_UNLIKELY, _LIKELY = 0.005, 0.95
#: classes of how likely a row's label is; the excess of unlikely ones that is chance, times the root of the rows; and
#: how many more are wrong than the excess shows, for it makes the classifier less sure, too
_UNLIKELIES, _CHANCE, _MORE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1), 0.4, 1.5
#: log odds of a person's correction, and of a label where the words tell nothing
_SAID, _UNHEARD = 4.5, 1.0
#: classes of the words' evidence (log odds)
_EDGES = (-6.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
#: rows of each kind that every class is given before any are seen
_UNSEEN = 0.5
#: how sure one must be that an answer is wrong; a thumb up takes more to be doubted
_SURE = 0.7
_STEPS = 30
#: wrong answers and mistaken thumbs before any are seen, as counts that are added: (of the one kind, of the other)
_WRONG, _MISTAKEN = (1.0, 9.0), (1.0, 9.0)
#: the classifier is never surer than this
_LEAST = 0.005
#: labels that one is mistaken for
_CONFUSED = 8


@dataclass(frozen=True, slots=True)
class Doubt:
    """How sure it is that a row's answer is wrong, and what the rest of the data would have said."""

    facts: Facts
    label: str
    wrong: float
    #: the likelier label, and how likely it and the row's own are told by the other rows
    likelier: str
    likely: float
    own: float
    #: and a person's correction, where that is one of the labels
    corrected: float | None


def check(tasks: Sequence[LabelTask]) -> Iterator[Finding]:
    """Answers and ratings of labelled tasks that are probably wrong."""
    for task in tasks:
        for doubt in doubts(task):
            yield from _findings(doubt)


def doubts(task: LabelTask) -> list[Doubt]:
    """All rows whose answer names a label, with how sure it is that the label is wrong."""
    labels = sorted(task.known)
    index = {label: i for i, label in enumerate(labels)}
    rows = [(facts, label) for facts in task.rows if (label := task.label(facts)) is not None]
    if len(rows) < FEWEST or len(labels) < 2:
        return []
    given = np.array([index[label] for _, label in rows])
    said = [facts for facts, _ in rows]
    wrong: Floats = np.zeros(len(rows))
    questions = Questions([facts.question for facts in said])
    for _ in range(_ROUNDS if questions.are_few else 1):  # what is doubted is not learnt from in the next round
        likely = _likely(said, questions, np.where(wrong < _SURE, given, -1), index)
        wrong = _wrong(said, likely, given, index)
    own = likely[np.arange(len(rows)), given]
    corrected = [float(likely[i, index[f.correction]]) if f.correction in index else None for i, f in enumerate(said)]
    likely[np.arange(len(rows)), given] = -1.0
    likelier = likely.argmax(axis=1)
    return [
        Doubt(facts, label, float(w), labels[best], float(likely[i, best]), float(own[i]), corrected[i])
        for i, ((facts, label), w, best) in enumerate(zip(rows, wrong, likelier.tolist(), strict=True))
    ]


def _likely(rows: Sequence[Facts], questions: Questions, given: Integers, index: dict[str, int]) -> Floats:
    """How likely each label is for each row, told by other questions: equal ones are never in two folds."""
    learnt, weights = given.copy(), np.ones(len(rows))
    for i, facts in enumerate(rows):
        if facts.correction in index:
            learnt[i] = index[facts.correction]
        elif facts.rating is False or "prompt_injection" in facts.codes:
            learnt[i] = -1
        elif facts.rating is None:
            weights[i] = 0.5
    folds = np.array([digest(" ".join(bare(facts.question)))[0] % _FOLDS for facts in rows])
    return held_out(questions, learnt, weights, folds, len(index))


def _wrong(rows: Sequence[Facts], likely: Floats, given: Integers, index: dict[str, int]) -> Floats:
    """The probability that each row's label is wrong."""
    up = np.array([facts.rating is True for facts in rows])
    down = np.array([facts.rating is False for facts in rows])
    corrected = np.array([index.get(facts.correction or "", -1) for facts in rows])
    other_said = np.array([facts.correction is not None for facts in rows]) & (corrected != given)
    same_said = (corrected == given) & ~other_said
    own = likely[np.arange(len(rows)), given]
    noise = _excess(likely, own)
    own = np.clip(own, _LEAST, 1 - _LEAST)
    # What the words say, in log odds: that it is another label, times how often just this one is given in its place.
    words = np.log((1 - own) / own) - np.log(min(len(index) - 1, _CONFUSED))
    if noise == 0.0:
        words = np.full(len(rows), -_UNHEARD)
    wrong = 1 / (1 + np.exp(-words - np.log(max(noise, _LEAST) / (1 - noise))))
    wrong = np.where(other_said, 0.98, np.where(same_said, 0.02, wrong))
    if (up | down | other_said).sum() < FEWEST:
        return np.asarray(wrong)
    for _ in range(_STEPS):
        rate = (wrong.sum() + _WRONG[0]) / (len(rows) + sum(_WRONG))
        down_if_wrong = _share(down, wrong, up | down)
        down_if_right = _share(down, 1 - wrong, up | down)
        says = _words_say(words, wrong) if noise else words
        odds = says + np.log(rate / (1 - rate))
        odds += np.where(down, np.log(down_if_wrong / down_if_right), 0.0)
        odds += np.where(up, np.log((1 - down_if_wrong) / (1 - down_if_right)), 0.0)
        odds += np.where(other_said, _SAID, 0.0) - np.where(same_said, _SAID, 0.0)
        wrong = 1 / (1 + np.exp(-odds))
    return np.asarray(wrong)


def _excess(likely: Floats, own: Floats) -> float:
    """How many of the labels are wrong by the words alone, 0 to 0.5: the share of rows whose label is less likely than
    it would be if the classifier were right about how often it is wrong. Where labels are hard to tell, many that seem
    unlikely are right. What chance alone would make of so few rows is no excess."""
    seen = len(_UNLIKELIES) + 1
    there = np.bincount(np.digitize(own, _UNLIKELIES), minlength=seen)
    expected = np.bincount(np.digitize(likely, _UNLIKELIES).ravel(), likely.ravel(), seen)
    share = float(np.cumsum(there - expected)[:-1].max()) / len(own)
    return min(_MORE * share, 0.5) if share > _CHANCE / np.sqrt(len(own)) else 0.0


def _words_say(words: Floats, wrong: Floats) -> Floats:
    """The log odds for each row by its words' evidence: how many of the wrong and of the right rows have as much.
    Stronger evidence never counts for less; between the middles of its classes it is interpolated."""
    place = np.digitize(words, _EDGES)
    seen = np.unique(place)
    if_wrong, if_right = (np.bincount(place, share, len(_EDGES) + 1)[seen] + _UNSEEN for share in (wrong, 1 - wrong))
    says = np.log(if_wrong / if_wrong.sum()) - np.log(if_right / if_right.sum())
    middles = [float(words[place == one].mean()) for one in seen]
    return np.interp(words, middles, np.maximum.accumulate(says))


def _share(chosen: NDArray[np.bool_], weights: Floats, among: NDArray[np.bool_]) -> float:
    """The share of `chosen` among rated rows, each as far as its weight goes; never quite 0 or 1."""
    mistaken, right = _MISTAKEN
    part, whole = float(weights[chosen].sum()), float(weights[among].sum())
    return float(np.clip((part + mistaken * 0.5) / (whole + (mistaken + right) * 0.5), 0.02, 0.98))


def _findings(doubt: Doubt) -> Iterator[Finding]:
    facts, label = doubt.facts, doubt.label
    seen = {
        "answer": label,
        "likelier": doubt.likelier,
        "probability_wrong": round(doubt.wrong, 3),
        "by_other_rows": {label: round(doubt.own, 3), doubt.likelier: round(doubt.likely, 3)},
        "rating": facts.rating,
        "correction": facts.correction,
    }
    if doubt.corrected is not None and doubt.corrected < _UNLIKELY and max(doubt.likely, doubt.own) > _LIKELY:
        better = label if doubt.own > doubt.likely else doubt.likelier
        message = f"corrected to {facts.correction!r}, but similar questions are answered with {better!r}"
        yield finding("bad_correction", facts.number, message, seen)
    if doubt.wrong < _SURE:
        if facts.rating is False and doubt.own > 0.5 and doubt.wrong < 0.2:
            message = f"rated bad, but {label!r} is what similar questions are answered with"
            yield finding("misrated_bad", facts.number, message, seen)
        return
    witness = (
        f"somebody corrected it to {facts.correction!r}"
        if facts.correction not in (None, label)
        else (f"similar questions are answered with {doubt.likelier!r}")
    )
    message = f"{label!r} is probably wrong: {witness}"
    fix: FixName = "take_correction" if facts.correction not in (None, label) else "drop"
    yield finding("wrong_label", facts.number, message, seen, fix=fix)
    if facts.rating is True:
        message = f"rated good, but {clip(facts.question, 60)!r} -> {label!r} is probably wrong: {witness}"
        yield finding("misrated_good", facts.number, message, seen, fix=fix)
