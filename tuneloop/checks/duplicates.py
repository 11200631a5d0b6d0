"""Rows that say the same: word for word, nearly, across splits; and rows that ask the same and answer differently.

Two questions are near duplicates when the same words are left of them without case, punctuation and greetings, in
whatever order; when they differ in one word that is the other's misspelling; or, of long ones, when most of their
word sequences are shared (MinHash). One word replaced by another makes another question: "Where is my PIN?" is not
"Where is my card?".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import bare, clip, plain, word_hash

#: words from which on most of them have to be shared, not all
_LONG = 40
_SHARED = 0.85
#: bands of the signature and rows in each: pairs that share 85 % are missed once in 10,000
_BANDS, _IN_BAND = 16, 4
#: letters from which on a word can be misspelt into another
_SPELT = 4
#: a misspelling is no word that others use so often
_RARE = 3
#: rows of a bucket that are compared with one another
_BUCKET = 50
_64_BITS = (1 << 64) - 1


class Groups:
    """Rows joined to groups of those that ask the same (union-find)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, row: int) -> int:
        """The first row of a row's group."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def join(self, rows: Iterable[int]) -> None:
        """Put rows into one group, whose name is the smallest."""
        roots = sorted({self.find(row) for row in rows})
        for root in roots[1:]:
            self._parent[root] = roots[0]

    def members(self) -> Iterator[list[int]]:
        """The groups of two and more, each in order."""
        found: dict[int, list[int]] = defaultdict(list)
        for row in range(len(self._parent)):
            found[self.find(row)].append(row)
        return (rows for rows in found.values() if len(rows) > 1)


def alike(rows: Sequence[Facts]) -> list[list[Facts]]:
    """The groups of rows of one task that ask the same or nearly the same."""
    groups = Groups(len(rows))
    same: dict[Hashable, int] = {}
    short: dict[int, tuple[str, ...]] = {}
    buckets: dict[Hashable, list[int]] = defaultdict(list)
    for row, facts in enumerate(rows):
        words = _words(facts)
        whole = bool(words) and facts.question_length == len(facts.question)
        # The sum of the words' hashes is that of the words in whatever order.
        bag = (sum(map(word_hash, words)) & _64_BITS, len(words)) if whole else facts.asked
        groups.join((row, same.setdefault(facts.asked, row), same.setdefault(bag, row)))
        if groups.find(row) != row:
            continue
        if len(words) >= _LONG:
            for band, key in enumerate(_signature(_sequences(words))):
                buckets[(band, key)].append(row)
        elif len(words) >= 2:
            short[row] = words
    _join_misspelt(groups, short)
    _join_long(groups, rows, buckets)
    return [[rows[i] for i in members] for members in groups.members()]


def _words(facts: Facts) -> tuple[str, ...]:
    """The words of a question that tell it from others. A greeting in one language before a question in another is no
    politeness."""
    return tuple(plain(facts.question).split()) if "wrong_language" in facts.codes else bare(facts.question)


def check(survey: Survey, tasks: Sequence[LabelTask]) -> Iterator[Finding]:
    """Duplicates, leaks between splits and contradictions."""
    labelled = {facts.number: task for task in tasks for facts in task.rows}
    for rows in survey.tasks:
        for group in alike(rows):
            yield from _duplicates(group, labelled)
            yield from _leaks(group)
            yield from _contradictions(group, labelled)
    yield from _conversations(survey.rows)
    yield from _templates(survey.rows)


def _join_misspelt(groups: Groups, short: dict[int, tuple[str, ...]]) -> None:
    """Join short questions that differ in one misspelt word: the sum of all words' hashes less one's is the same."""
    used = Counter(word for words in short.values() for word in set(words))
    without: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    for row, words in short.items():
        total = sum(map(word_hash, words))
        for word in set(words):
            if len(word) >= 2:
                without[((total - word_hash(word)) & _64_BITS, len(words))].append((row, word))
    for places in without.values():
        for (row, word), (other, its) in combinations(places[:_BUCKET], 2):
            if min(used[word], used[its]) <= _RARE and _is_slip(word, its):
                groups.join((row, other))


def _is_slip(word: str, other: str) -> bool:
    """Whether one word is the other misspelt: two letters changed places, or one of a longer word is wrong, too many
    or missing; but not another form of the same word."""
    from rapidfuzz.distance import OSA

    if sorted(word) == sorted(other):
        return bool(OSA.distance(word, other) == 1)
    if max(len(word), len(other)) < _SPELT or not (word + other).isalpha() or _stem(word) == _stem(other):
        return False
    return bool(OSA.distance(word, other, score_cutoff=2) <= (1 if len(word) < 8 else 2))


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


def _join_long(groups: Groups, rows: Sequence[Facts], buckets: dict[Hashable, list[int]]) -> None:
    """Join long questions that share most of their sequences of three words (Broder, 1997)."""
    for members in buckets.values():
        for row, other in combinations(members[:_BUCKET], 2):
            if groups.find(row) != groups.find(other) and _share_most(rows[row], rows[other]):
                groups.join((row, other))


def _share_most(one: Facts, other: Facts) -> bool:
    shorter, longer = sorted((one.question_length, other.question_length))
    if shorter < _SHARED * longer:
        return False
    a, b = (set(_sequences(_words(facts)).tolist()) for facts in (one, other))
    return len(a & b) >= _SHARED * len(a | b)


def _sequences(words: Sequence[str]) -> np.ndarray:
    """Hashes of all sequences of three words, [words - 2]."""
    hashes = np.array([word_hash(word) for word in words], dtype=np.uint64)
    mixed = hashes[:-2] * np.uint64(0x9E3779B97F4A7C15) + hashes[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F)
    return np.unique(mixed + hashes[2:] * np.uint64(0x165667B19E3779F9))


_SEEDS = np.random.default_rng(0).integers(1, 2**63, (_BANDS * _IN_BAND, 1), dtype=np.uint64) | np.uint64(1)


def _signature(sequences: np.ndarray) -> list[int]:
    """A key for each band: rows that share most sequences share some key."""
    smallest = ((sequences[None, :] * _SEEDS) >> np.uint64(17)).min(axis=1)
    return [hash(band.tobytes()) for band in smallest.reshape(_BANDS, _IN_BAND)]


def _duplicates(group: Sequence[Facts], labelled: dict[int, LabelTask]) -> Iterator[Finding]:
    """Each row that repeats an earlier one's question and answer."""
    first: dict[tuple[bytes, bytes], Facts] = {}
    means: dict[Hashable, Facts] = {}
    for facts in group:
        meaning = _meaning(facts, labelled)
        if same := first.get((facts.asked, facts.answered)):
            message = f"the same question and answer as row {same.number}"
            yield finding("exact_duplicate", facts.number, message, of=same.number, of_id=same.id)
        elif meaning is not None and (near := means.get(meaning)) and near.asked != facts.asked:
            message = f"{clip(facts.question)!r} is row {near.number} again: {clip(near.question)!r}"
            yield finding("near_duplicate", facts.number, message, of=near.number, of_id=near.id)
        first.setdefault((facts.asked, facts.answered), facts)
        if meaning is not None:
            means.setdefault(meaning, facts)


def _contradictions(group: Sequence[Facts], labelled: dict[int, LabelTask]) -> Iterator[Finding]:
    """All rows of a group in which different things are answered; `winner` says whose answer the others and people
    support, if one is supported most."""
    said: dict[Hashable, list[Facts]] = defaultdict(list)
    for facts in group:
        if (meaning := _meaning(facts, labelled)) is not None:
            said[meaning].append(facts)
    if len(said) < 2 or (not any(f.number in labelled for f in group) and not _exclude(list(said.values()))):
        return
    votes = {meaning: sum(map(_vote, rows)) for meaning, rows in said.items()}
    first, second = sorted(votes.values(), reverse=True)[:2]
    answers = {clip(rows[0].answer): [facts.number for facts in rows] for rows in said.values()}
    for meaning, rows in said.items():
        others = ", ".join(repr(clip(of[0].answer, 40)) for other, of in list(said.items())[:4] if other != meaning)
        winner = votes[meaning] == first > max(second, 0)
        for facts in rows:
            message = f"{clip(facts.answer, 40)!r} here, but elsewhere {others}"
            yield finding("contradictory", facts.number, message, answers=answers, winner=winner)


def _vote(facts: Facts) -> int:
    """What a row counts for its answer."""
    if "wrong_label" in facts.codes or facts.rating is False:
        return -1
    return 2 if facts.rating else 1


def _exclude(answers: Sequence[Sequence[Facts]]) -> bool:
    """Whether free answers to one question exclude each other: short ones, or ones with other numbers in them.
    Longer texts may say the same in other words, or a story be told in two ways."""
    shortest = min(len(rows[0].answer) for rows in answers)
    longest = max(len(rows[0].answer) for rows in answers)
    return longest <= 40 and shortest > 0


def _meaning(facts: Facts, labelled: dict[int, LabelTask]) -> Hashable:
    """What an answer says, to compare; None where it says nothing."""
    if task := labelled.get(facts.number):
        return task.label(facts)
    return plain(facts.answer) or None if _is_whole(facts) else facts.answered


def _is_whole(facts: Facts) -> bool:
    return facts.answer_length == len(facts.answer)


def _held_out(group: Sequence[Facts]) -> Iterator[tuple[Facts, Facts]]:
    """The rows of a group that are held out, each with the first one that is learnt; none where none is."""
    learnt = next((facts for facts in group if facts.split == "train"), None)
    if learnt is not None:
        yield from ((facts, learnt) for facts in group if facts.split not in (None, "train"))


def _leaks(group: Sequence[Facts]) -> Iterator[Finding]:
    """Rows held out that ask what is learnt."""
    for facts, learnt in _held_out(group):
        message = f"{facts.split} row asks what train row {learnt.number} asks: {clip(learnt.question)!r}"
        yield finding("leak", facts.number, message, of=learnt.number, of_id=learnt.id, split=facts.split)


def _conversations(rows: Sequence[Facts]) -> Iterator[Finding]:
    """Later turns held out of a conversation that is learnt."""
    begun: dict[bytes, list[Facts]] = defaultdict(list)
    for facts in rows:
        begun[facts.conversation].append(facts)
    for facts, learnt in (pair for group in begun.values() for pair in _held_out(group)):
        if facts.turns != learnt.turns:
            message = f"{facts.split} row is of the conversation of train row {learnt.number}"
            yield finding("conversation_leak", facts.number, message, of=learnt.number, of_id=learnt.id)


def _templates(rows: Sequence[Facts]) -> Iterator[Finding]:
    """Rows held out that differ from one of the same user's in numbers only."""
    forms: dict[Hashable, list[Facts]] = defaultdict(list)
    for facts in rows:
        if facts.user and any(map(str.isdigit, facts.question)):
            forms[(facts.user, "".join("0" if c.isdigit() else c for c in plain(facts.question)))].append(facts)
    for facts, learnt in (pair for group in forms.values() for pair in _held_out(group)):
        if facts.asked != learnt.asked:
            message = f"the form of train row {learnt.number}, by the same user, with other numbers"
            yield finding("template_leak", facts.number, message, of=learnt.number, user=facts.user)
