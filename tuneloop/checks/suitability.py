"""Whether the task looks like one that fine-tuning teaches: a skill, or knowledge beyond what the question gives."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.language import languages
from tuneloop.checks.structure import JsonTask
from tuneloop.checks.survey import Facts, Survey

#: rows from which on a task can be judged
FEWEST = 30
#: what looks like a fact: a number of two digits or more, or a name
_FACT = re.compile(r"(?<![\w.])\d[\d,.]*\d(?![\w%])|\b[A-Z][a-zà-ÿ]{2,}(?: [A-Z][a-zà-ÿ]+)*")
#: where numbers are worked out they follow from others
_SUM = re.compile(r"\d ?[-+*/×÷=] ?[$€£]?\d")
#: languages that write all nouns with capitals
_CAPITALS = frozenset({"de", "lb", "nds", "als", "bar"})
_SMALL = re.compile(r"\b[a-zà-ÿ]{3,}\b")
#: the share of answers with facts of their own that makes them knowledge, and facts in each of those
_SHARE, _FACTS, _NEARLY_ALL = 0.6, 1.5, 0.8
#: what is said in so many answers is a part of the manner, not a fact
_MANNER = 0.05


def check(survey: Survey, labelled: Sequence[LabelTask], structured: Sequence[JsonTask]) -> Iterator[Finding]:
    """Advice on the task with the most rows."""
    rows = next(survey.each_task(FEWEST), None)
    if rows is None:
        return
    task = next((task for task in labelled if task.rows and task.rows[0] in rows), None)
    if task is not None:
        message = f"answers are {len(task.known)} labels: a fixed range of answers"
        yield finding("suitable", (), message, task="labels", labels=len(task.known))
    elif any(of.rows[0][0] in rows for of in structured):
        yield finding("suitable", (), "answers are JSON of one form: a format", task="json")
    else:
        yield from _facts(survey, rows)


def _facts(survey: Survey, rows: Sequence[Facts]) -> Iterator[Finding]:
    """Facts in the answers that neither the question nor the instructions hold, and no other answer does."""
    small = {word for facts in rows for word in _SMALL.findall(f"{facts.question} {facts.answer}")}
    told = languages(" ".join(facts.answer for facts in rows[:20]))
    marked = not told or max(told, key=told.__getitem__) not in _CAPITALS
    found: list[tuple[Facts, list[str]]] = []
    seen: Counter[str] = Counter()
    for facts in rows:
        given = f"{facts.question} {survey.instructions[facts.instructions]}".lower()
        own = list(dict.fromkeys(_of_its_own(facts.answer, given, small if marked else None)))
        found.append((facts, own))
        seen.update(own)
    often = max(2, _MANNER * len(rows))
    with_facts = [(facts, rare) for facts, own in found if (rare := [fact for fact in own if seen[fact] <= often])]
    share, each = len(with_facts) / len(rows), sum(len(own) for _, own in with_facts) / max(len(with_facts), 1)
    evidence = {
        "share": round(share, 3),
        "facts_each": round(each, 2),
        "examples": [{"row": facts.number, "facts": own[:5]} for facts, own in with_facts[:3]],
    }
    if share >= _NEARLY_ALL or (share >= _SHARE and each >= _FACTS):
        message = f"{share:.0%} of the answers have facts that do not follow from the question ({each:.1f} each)"
        yield finding("knowledge", (), message, evidence)
    else:
        message = f"{1 - share:.0%} of the answers have no facts but those of the question: a manner of answering"
        yield finding("suitable", (), message, evidence, task="text")


def _of_its_own(answer: str, given: str, small: set[str] | None) -> Iterator[str]:
    """Numbers and names in an answer that were not given. A word with a capital is a name where no text has it
    without; none is without `small`, the words in small letters."""
    sums = _SUM.search(answer) is not None
    for match in _FACT.findall(answer):
        if match[0].isdigit():
            words = [] if sums or match in given else [match]
        elif small is None:
            words = []
        else:
            words = [word for word in match.split() if word.lower() not in small and word.lower() not in given]
        if words:
            yield " ".join(words)
