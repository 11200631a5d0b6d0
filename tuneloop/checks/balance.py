"""How the answers are spread: over the labels, and over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tuneloop.checks.findings import Finding
from tuneloop.checks.kinds import finding
from tuneloop.checks.labels import LabelTask
from tuneloop.checks.survey import Facts, Survey
from tuneloop.checks.texts import clip, plain

#: rows of a label below which it is learnt badly
_RARE = 5
#: share of all rows of a task that one answer may have; of a task with two labels
_DOMINANT, _DOMINANT_OF_TWO = 0.5, 0.85
#: rows from which on shares mean something
FEWEST = 50
#: how far apart two halves may be (Jensen-Shannon, 0 to 1, less what chance alone would make)
_APART = 0.1


def check(survey: Survey, tasks: Sequence[LabelTask]) -> Iterator[Finding]:
    """Rare labels, an answer that dominates, several system prompts, a change over time."""
    labelled = {facts.number for task in tasks for facts in task.rows}
    for task in tasks:
        counts = Counter(label for facts in task.rows if (label := task.label(facts)) is not None)
        yield from _rare(task, counts)
        most = _DOMINANT_OF_TWO if len(counts) == 2 else _DOMINANT
        yield from _dominant(counts, sum(counts.values()), most)
    for rows in survey.each_task(FEWEST):
        if rows[0].number not in labelled:
            yield from _dominant(Counter(plain(facts.answer) for facts in rows), len(rows), 0.2)
        yield from _prompts(survey, rows)
        yield from _drift(rows, next((task for task in tasks if rows[0].number in {f.number for f in task.rows}), None))


def _rare(task: LabelTask, counts: Counter[str]) -> Iterator[Finding]:
    rare = {label: counts[label] for label in sorted(task.known, key=lambda label: (counts[label], label))}
    rare = {label: count for label, count in rare.items() if count < _RARE}
    if rare and len(task.rows) >= FEWEST:
        some = ", ".join(f"{label} ({count})" for label, count in list(rare.items())[:5])
        yield finding(
            "rare_label", (), f"{len(rare)} of {len(task.known)} labels have under {_RARE} rows: {some}", counts=rare
        )


def _dominant(counts: Counter[str], total: int, most: float) -> Iterator[Finding]:
    if total < FEWEST or not counts:
        return
    answer, count = counts.most_common(1)[0]
    if count > most * total:
        message = f"{count / total:.0%} of {total:,} answers are {clip(answer, 60)!r}"
        yield finding("dominant_answer", (), message, answer=clip(answer, 160), share=round(count / total, 3))


def _prompts(survey: Survey, rows: Sequence[Facts]) -> Iterator[Finding]:
    counts = Counter(facts.instructions for facts in rows)
    if 1 < len(counts) <= 20:
        shown = {clip(survey.instructions[key], 120) or "(none)": count for key, count in counts.most_common()}
        message = (
            f"{len(counts)} system prompts ask for the same task; the most frequent has {max(counts.values()):,} rows"
        )
        yield finding("mixed_prompts", (), message, prompts=shown)


def _drift(rows: Sequence[Facts], task: LabelTask | None) -> Iterator[Finding]:
    """Whether the later half of the rows is answered otherwise than the earlier, or asks longer questions."""
    timed = sorted((facts for facts in rows if facts.created_at is not None), key=lambda facts: facts.created_at or 0.0)
    half = len(timed) // 2
    if half < FEWEST or timed[0].created_at == timed[-1].created_at:
        return
    halves = timed[:half], timed[half:]
    if task is not None:
        before, after = (Counter(task.label(facts) for facts in part) for part in halves)
        apart = _apart(before, after)
        if apart > _APART:
            moved = sorted(before | after, key=lambda label: abs(before[label] - after[label]), reverse=True)[:3]
            changes = {str(label): [before[label], after[label]] for label in moved}
            message = "the later half is answered otherwise: " + ", ".join(
                f"{label} {was} -> {now}" for label, (was, now) in changes.items()
            )
            yield finding("drift", (), message, distance=round(apart, 3), changes=changes)
    lengths = [float(np.median([facts.question_length for facts in part])) for part in halves]
    if max(lengths) > 2 * max(min(lengths), 1.0):
        message = f"questions of the later half are {lengths[1]:,.0f} characters long, earlier ones {lengths[0]:,.0f}"
        yield finding("drift", (), message, median_characters=lengths)


def _apart(before: Counter[str | None], after: Counter[str | None]) -> float:
    """Jensen-Shannon divergence in bits, less its expectation when nothing has changed: (labels - 1) / (4 n ln 2)."""
    labels = list(before | after)
    p, q = (np.array([part[label] for label in labels], dtype=float) for part in (before, after))
    chance = (len(labels) - 1) / (2 * (p.sum() + q.sum()) * np.log(2))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.nansum(np.where(p > 0, p * np.log2(p / middle), 0) + np.where(q > 0, q * np.log2(q / middle), 0))
    return float(both / 2 - chance)
