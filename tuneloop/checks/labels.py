"""Tasks whose answers are a few labels: which labels there are, and which one each row means.

A label is known when the instructions list it, when people give it as a correction or rate answers with it well, or
when it is as frequent as the others. What is neither known nor a known one in other words is a finding.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import clip, plain

#: a label is a few words on one line
_LONGEST, _MOST_WORDS = 80, 8
#: an answer given so often is a label of its task, and so many of the answers must be one
_OFTEN, _SHARE = 3, 0.6
#: rows for each label, at least, on average; with fewer the answers are as many as the questions
_ROWS_PER_LABEL = 3
#: how often people rate a label well that is none
_THUMB = 0.15
#: with so few rows nothing is said about labels
FEWEST = 10
_WORD = re.compile(r"\w+(?:[-/.:]\w+)*")
#: what is found in the answer alone, so that it stands for no label
_NO_ANSWER = frozenset({"empty", "failed_call"})


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a row's answer says: the known label that it names, if any, and what is wrong with how it does."""

    label: str | None
    #: None where it is a known label and nothing else; else "truncated", "unknown_label" or "format_violation"
    fault: str | None = None


class LabelTask:
    """One task and its labels."""

    def __init__(self, rows: Sequence[Facts], counts: Counter[str], instructions: Sequence[str]) -> None:
        self.rows = rows
        self.counts = counts
        self._instructions = instructions
        self._meanings: dict[tuple[str, str | None], Meaning] = {}

    @cached_property
    def known(self) -> frozenset[str]:
        """The labels that may be given."""
        often = [label for label, count in self.counts.items() if count >= _OFTEN]
        listed = frozenset(label for label in self._said if self._is_listed(label))
        if len(listed & set(often)) >= max(2, 0.8 * len(often)):
            return listed
        found = {label for label in self._said if self._standing(label) > 0}
        return frozenset(label for label in found if not self._wraps(label, found))

    def _wraps(self, answer: str, others: set[str]) -> bool:
        """Whether an answer is a more frequent one in other words (with a full stop, in quotes, in a sentence), or its
        beginning, cut in the middle of a word."""
        words = f" {plain(answer)} "
        return any(
            3 * self._said[answer] < self._said[other] and (f" {plain(other)} " in words or _cuts(answer, other))
            for other in others - {answer}
        )

    @cached_property
    def stated(self) -> bool:
        """Whether the instructions list the labels."""
        return all(self._is_listed(label) for label in self.known)

    def meaning(self, facts: Facts) -> Meaning:
        """What a row's answer says. Several checks ask, and many rows say the same."""
        key = facts.answer, facts.finish_reason
        if key not in self._meanings:
            self._meanings[key] = self._meaning(*key)
        return self._meanings[key]

    def label(self, facts: Facts) -> str | None:
        """The known label that a row's answer names."""
        return self.meaning(facts).label

    @cached_property
    def _said(self) -> Counter[str]:
        """Everything in the form of a label that was answered, or given as a correction."""
        return self.counts + Counter(facts.correction for facts in self.rows if facts.correction)

    def _is_listed(self, label: str) -> bool:
        pattern = re.compile(rf"(?<![\w-]){re.escape(label)}(?![\w-])", re.IGNORECASE)
        return any(pattern.search(text) for text in self._instructions)

    def _standing(self, label: str) -> float:
        """The log odds that a label is one of the task's, from how frequent it is and what people said of it."""
        votes = self._votes
        usual = median(sorted(self.counts.values(), reverse=True)[: self._rank]) if self.counts else 1
        rare = math.log2(usual / max(self.counts[label], 0.5)) if usual >= 5 else 0.0
        odd = self.counts[label] < _OFTEN or (rare > 1 and not _characters(label) <= self._usual_characters)
        odds = 2.3 - min(rare, 5.0 if odd else 2.0) - odd
        usually_bad = (sum(v["bad"] for v in votes.values()) + 1) / (sum(v.total() for v in votes.values()) + 2)
        said = votes.get(label, Counter())
        # A label that is given wrongly half the time is one all the same.
        odds += max(_odds(said, bad) for bad in (usually_bad, 0.5))
        return odds + 4.0 * min(self._corrected_to[label], 5)

    @cached_property
    def _usual_characters(self) -> frozenset[str]:
        """The kinds of characters that the most frequent answers are written with."""
        often = [label for label, _ in self.counts.most_common(self._rank)]
        kinds = Counter(kind for label in often for kind in _characters(label))
        return frozenset(kind for kind, count in kinds.items() if count >= 0.1 * len(often))

    @cached_property
    def _rank(self) -> int:
        """How many of the most frequent answers make most of the rows."""
        total, so_far = sum(self.counts.values()), 0
        for rank, (_, count) in enumerate(self.counts.most_common(), start=1):
            so_far += count
            if so_far >= 0.9 * total:
                return rank
        return max(len(self.counts), 1)

    @cached_property
    def _votes(self) -> Mapping[str, Counter[str]]:
        """How often people thought each answer good or bad; a correction to another answer is a bad one."""
        votes: dict[str, Counter[str]] = {}
        for facts in self.rows:
            if facts.correction is not None and facts.correction != facts.answer:
                votes.setdefault(facts.answer, Counter())["bad"] += 1
            elif facts.rating is not None:
                votes.setdefault(facts.answer, Counter())["good" if facts.rating else "bad"] += 1
        return votes

    @cached_property
    def _corrected_to(self) -> Counter[str]:
        return Counter(facts.correction for facts in self.rows if facts.correction not in (None, facts.answer))

    def _meaning(self, answer: str, finish_reason: str | None) -> Meaning:
        if answer in self.known:
            return Meaning(answer)
        begins = bool(answer) and any(label.startswith(answer) for label in self.known)
        if begins and (finish_reason == "length" or self._odd_end(answer)):
            return Meaning(None, "truncated")
        if same := self._plain.get(plain(answer)):
            return Meaning(same, "format_violation")
        named = self._named(answer)
        if not named and _is_label(answer) and self._like_labels(answer):
            return Meaning(None, "unknown_label")
        return Meaning(named[0] if len(named) == 1 else None, "format_violation")

    def _odd_end(self, answer: str) -> bool:
        """Whether an answer ends where a word of a label does not, or was given once only."""
        return self.counts[answer] <= 1 or not any(
            label.startswith(answer) and not label[len(answer)].isalnum() for label in self.known
        )

    @cached_property
    def _plain(self) -> Mapping[str, str]:
        return {plain(label): label for label in self.known if plain(label)}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        longest_first = sorted(self.known, key=len, reverse=True)
        return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)

    def _named(self, answer: str) -> list[str]:
        """The labels in an answer, each once."""
        found = {self._plain[plain(match)] for match in self._pattern.findall(answer) if plain(match) in self._plain}
        return sorted(found)

    @cached_property
    def _characters(self) -> frozenset[str]:
        return frozenset().union(*map(_characters, self.known))

    def _like_labels(self, answer: str) -> bool:
        """Whether an answer is written as labels are: one word as they are, or of such characters and no longer than
        the longest."""
        longest = max((len(label.split()) for label in self.known), default=0)
        if longest == 1:
            return bool(_WORD.fullmatch(answer))
        return _characters(answer) <= self._characters and len(answer.split()) <= longest


def tasks(survey: Survey) -> list[LabelTask]:
    """The tasks of a survey whose answers are labels."""
    found = []
    for rows in survey.each_task(FEWEST):
        usable = [facts for facts in rows if not facts.codes & _NO_ANSWER]
        counts = Counter(facts.answer for facts in usable if _is_label(facts.answer))
        often = {label: count for label, count in counts.items() if count >= _OFTEN}
        enough = sum(often.values()) >= _SHARE * len(usable) and len(often) * _ROWS_PER_LABEL <= len(usable)
        if len(often) >= 2 and enough:
            said = sorted({facts.instructions for facts in rows})
            found.append(LabelTask(usable, counts, [survey.instructions[key] for key in said]))
    return found


def check(survey: Survey, found: Sequence[LabelTask]) -> Iterator[Finding]:
    """Answers that are not a label of their task."""
    for task in found:
        for facts in task.rows:
            meaning = task.meaning(facts)
            if meaning.fault:
                yield _finding(task, facts, meaning)


def _finding(task: LabelTask, facts: Facts, meaning: Meaning) -> Finding:
    answer = clip(facts.answer)
    if meaning.fault == "truncated":
        whole = sorted(label for label in task.known if label.startswith(facts.answer))
        message = f"{answer!r} is the beginning of {whole[0]!r}" if len(whole) == 1 else f"{answer!r} is cut off"
        return finding("truncated", facts.number, message, answer=answer, labels=whole[:5])
    if meaning.fault == "unknown_label" and "prompt_injection" not in facts.codes:
        where = "the instructions list" if task.stated else "the other rows use"
        times = task.counts[facts.answer]
        message = f"{answer!r} is none of the {len(task.known)} labels that {where}"
        return finding("unknown_label", facts.number, message, answer=answer, times=times, labels=len(task.known))
    if meaning.label:
        message = f"{answer!r} instead of {meaning.label!r} alone"
        return finding("format_violation", facts.number, message, answer=answer, repaired=meaning.label)
    message = f"{answer!r} is not a label like the others"
    return finding("format_violation", facts.number, message, fix="take_correction", answer=answer)


def _cuts(answer: str, label: str) -> bool:
    """Whether an answer is a label cut in the middle of a word."""
    return label.startswith(answer) and answer[-1:].isalnum() and label[len(answer) :][:1].isalnum()


def _odds(said: Counter[str], bad: float) -> float:
    """The log odds of a label that is rated bad so often against an answer that is no label."""
    return said["good"] * math.log((1 - bad) / _THUMB) - said["bad"] * max(math.log((1 - _THUMB) / bad), 0.0)


def _is_label(answer: str) -> bool:
    """Whether an answer has the form of a label: a few words on one line. JSON has fields, which is another matter."""
    return (
        bool(answer)
        and answer[0] not in "{["
        and len(answer) <= _LONGEST
        and "\n" not in answer
        and len(answer.split()) <= _MOST_WORDS
    )


def _characters(label: str) -> frozenset[str]:
    """The kinds of characters in a label; punctuation is each its own."""
    return frozenset("A" if c.isupper() else "a" if c.isalpha() else "0" if c.isdigit() else c for c in label)
