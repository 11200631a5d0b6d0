"""Attempts to steer the model that the answers tell of: in a task of labels an answer that is none, to a question that
speaks to a model about its work, or of what no other question speaks of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.survey import Facts
from tuneloop.checks.texts import clip, plain

#: words of those who speak to a model about its work
_OF_THE_TRADE = Counter(
    (
        "label labels prompt prompts instruction instructions system ignore disregard forget override bypass "
        "pretend act role mode admin administrator developer developers debug root sudo output print repeat "
        "reveal reply respond answer say write echo dump quote confirm type typing task classify classifier "
        "classification category categories tag tags route router routing assistant bot chatbot ai model llm json "
        "rule rules guidelines jailbreak unlock unrestricted instead poem song joke story haiku rhyme riddle "
        "limerick pirate translate summarize previous above conversation context token tokens directive command "
        "obey play game compose speak"
    ).split()
)
#: such a word tells something where so few of the task's other questions have it
_RARE = 0.003
#: words that tell something for it to be an attempt, where one of them is of the trade, and where none is
_WORDS, _STRANGE = 2, 3
#: questions from which on a word that no other has is strange
_MANY = 500
#: characters of an answer from which on its standing in the question is no accident
_SHORTEST = 4
#: labels that nobody writes who does not know them: with an underscore, or a capital in the middle
_MACHINE = re.compile(r"\w_\w|[a-z][A-Z]")


def check(labelled: Sequence[LabelTask]) -> Iterator[Finding]:
    """Rows of labelled tasks that were not seen to be attempts by their words alone."""
    for task in labelled:
        named = [label for label in sorted(task.known) if _MACHINE.search(label)]
        pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, named))})(?!\w)") if named else None
        used = Counter(word for facts in task.rows if task.label(facts) for word in set(plain(facts.question).split()))
        for facts in task.rows:
            if "prompt_injection" in facts.codes:
                continue
            if pattern is not None and (match := pattern.search(facts.question)):
                message = f"the question names the label {match.group()!r}: {clip(facts.question[-100:])!r}"
                yield finding("prompt_injection", facts.number, message, label=match.group(), what="names a label")
            elif _is_no_label(task, facts) and (_obeys(facts) or _speaks_otherwise(task, facts, used)):
                message = f"answered with {clip(facts.answer, 40)!r}, as {clip(facts.question[-100:])!r} asks"
                yield finding(
                    "prompt_injection", facts.number, message, answer=clip(facts.answer, 160), what="is obeyed"
                )


def _is_no_label(task: LabelTask, facts: Facts) -> bool:
    meaning = task.meaning(facts)
    return meaning.label is None and meaning.fault in ("format_violation", "unknown_label")


def _speaks_otherwise(task: LabelTask, facts: Facts, used: Counter[str]) -> bool:
    """Whether a question has words that tell: of the trade, which few others use, and strange ones, which none does."""
    if "wrong_language" in facts.codes:
        return False
    words = {word for word in plain(facts.question).split() if word.isalpha()}
    trade = sum(used[word] <= _RARE * len(task.rows) for word in words & _OF_THE_TRADE.keys())
    no_label_at_all = len(task.rows) >= _MANY and task.meaning(facts).fault == "format_violation"
    strange = sum(used[word] == 0 for word in words - _OF_THE_TRADE.keys()) if no_label_at_all else 0
    return trade + strange >= (_WORDS if trade else _STRANGE)


def _obeys(facts: Facts) -> bool:
    """Whether the question holds the answer, word for word."""
    answer = plain(facts.answer)
    return len(answer) >= _SHORTEST and f" {answer} " in f" {plain(facts.question)} " and _trade(facts) > 0


def _trade(facts: Facts) -> int:
    """How many words of the trade are in a question."""
    return sum((Counter(plain(facts.question).split()) & _OF_THE_TRADE).values())
