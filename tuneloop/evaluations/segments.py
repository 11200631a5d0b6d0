"""Segments: the same comparison in every group of rows, so that a loss in a small one is not hidden by the mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tuneloop import statistics
from tuneloop.evaluations.scored import Scored
from tuneloop.reports.numbers import at, listed, table_of, word
from tuneloop.types import Json

#: Fewer rows say nothing of a group.
_FEWEST_ROWS = 5
#: A key of metadata with more values than this is an id, not a group.
_MOST_VALUES = 30
#: Draws that are to lie beyond each end of an interval: enough that the end does not depend on the seed.
_DRAWS_BEYOND = 25


class _Group(NamedTuple):
    by: str
    value: str
    rows: list[int]


def segments(report: Json, scored: Scored, baseline: str | None, candidate: str | None) -> list[dict[str, Json]]:
    """The groups of rows: by label where answers are labels, and by each key of the metadata.

    A `difference` is the candidate's to the baseline. All are looked at, so that each interval is as wide as their
    number demands (Bonferroni: with 20 groups, each at 99.75 %, its "level"): with the report's confidence, all of them
    hold together. A group is flagged "worse" or "better" where its interval excludes zero.
    """
    groups = list(_groups(report))
    level = 1 - (1 - scored.level) / max(1, len(groups))
    return [_segment(group, scored, baseline, candidate, level) for group in groups]


def _segment(
    group: _Group, scored: Scored, baseline: str | None, candidate: str | None, level: float
) -> dict[str, Json]:
    difference, flag = None, None
    pairs = scored.pairs(baseline or "", candidate or "", group.rows)
    if pairs.before and baseline != candidate:
        resamples = max(statistics.RESAMPLES, round(2 * _DRAWS_BEYOND / (1 - level)))
        found = statistics.bootstrap(*pairs, level=level, bounds=scored.bounds, resamples=resamples)
        difference = {**found._asdict(), "level": level}
        flag = "worse" if found.high < 0 else "better" if found.low > 0 else None
    return {
        "by": group.by,
        "value": group.value,
        "rows": len(group.rows),
        "means": {name: _mean([scores[row] for row in group.rows]) for name, scores in scored.arms.items()},
        "difference": difference,
        "flag": flag,
    }


def _groups(report: Json) -> Iterator[_Group]:
    results = listed(report.get("results"))
    if any(arm.get("classes") for arm in listed(report.get("arms"))):
        yield from _by("label", [word(row.get("reference")).strip() for row in results])
    for key in dict.fromkeys(key for row in results for key in table_of(row.get("metadata"))):
        values = [word(at(row, "metadata", key)) for row in results]
        if len(set(values) - {""}) <= _MOST_VALUES:
            yield from _by(f"metadata.{key}", values)


def _by(name: str, values: Sequence[str]) -> Iterator[_Group]:
    """The groups of rows with the same value; none where all rows have it."""
    found: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        found.setdefault(value, []).append(row)
    if len(found) > 1:
        yield from (_Group(name, v, rows) for v, rows in sorted(found.items()) if v and len(rows) >= _FEWEST_ROWS)


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
