"""The rows that arms answer differently, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuneloop.reports.blocks import Block, Cell, Row, Said, Text, Tone
from tuneloop.reports.numbers import Json, Report, Scale, at, listed, number, plural, table_of, word

#: rows shown at most, and letters of a text
_ROWS = 50
_LETTERS = 1200


def rows(report: Report) -> Iterator[Block]:
    """At most 50 rows whose scores differ between arms: those that the candidate loses, those it wins, the others.

    Losses come first, since they are what a reader doubts; the largest of them before all.
    """
    scale = Scale(report)
    lost: list[tuple[float, Mapping[str, Json]]] = []
    won: list[tuple[float, Mapping[str, Json]]] = []
    others = []
    for result in listed(report.get("results")):
        scored = scores(scale, result)
        change = gap(report, scored)
        if change:
            (lost if change < 0 else won).append((change, result))
        elif len(set(scored.values())) > 1:
            others.append(result)
    total = len(lost) + len(won) + len(others)
    if not total:
        return
    yield Text(
        f"{plural(total, 'row')}: the candidate is worse than the baseline on {len(lost):,} and better on "
        f"{len(won):,}; on {len(others):,} only other arms differ."
    )
    # Losses may fill half of the list, or what the others leave, so that a reader sees both sides.
    losses = sorted(lost, key=lambda pair: pair[0])[: max(_ROWS // 2, _ROWS - len(won) - len(others))]
    wins = sorted(won, key=lambda pair: -pair[0])
    picked = [result for _, result in losses + wins] + others
    for result in picked[:_ROWS]:
        yield row(report, result)
    if total > _ROWS:
        yield Text(f"And {plural(total - _ROWS, 'more row')}, which the report as JSON has.")


def scores(scale: Scale, result: Mapping[str, Json]) -> dict[str, float | None]:
    """Of each arm its score in the primary metric."""
    return {name: number(at(said, "scores", scale.name)) for name, said in table_of(result.get("answers")).items()}


def gap(report: Report, scored: Mapping[str, float | None]) -> float:
    """What the candidate scores more than the baseline; 0 where one of them has no score."""
    baseline, candidate = (scored.get(word(report.get(key))) for key in ("baseline", "candidate"))
    return 0.0 if baseline is None or candidate is None else candidate - baseline


def row(report: Report, result: Mapping[str, Json]) -> Row:
    """A row with its answers. Arms that said the same share their text; the baseline comes first, then the
    candidate."""
    scale = Scale(report)
    change = gap(report, scores(scale, result))
    tone: Tone = "bad" if change < 0 else "good" if change > 0 else "plain"
    answers = table_of(result.get("answers"))
    first = [name for key in ("baseline", "candidate") if (name := word(report.get(key))) in answers]
    order = [*first, *(name for name in answers if name not in first)]
    together: dict[tuple[str, bool], list[tuple[str, Cell]]] = {}
    for name in order:
        error = word(at(answers[name], "error"))
        text = error or word(at(answers[name], "text"))
        score = _score(scale, at(answers[name], "scores", scale.name))
        together.setdefault((text, bool(error)), []).append((str(name), score))
    return Row(
        id=word(result.get("id")),
        question=_short(word(result.get("input"))),
        reference=_short(word(result.get("reference"))),
        said=[Said(arms=arms, text=_short(text), failed=failed) for (text, failed), arms in together.items()],
        tone=tone,
    )


def _score(scale: Scale, value: Json) -> Cell:
    known = number(value)
    if known is None:
        return Cell("not graded", "", "warn")
    if not scale.binary:
        return Cell(f"{known:.2f}")
    return Cell("right", "", "good") if known == 1 else Cell("wrong", "", "bad")


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}… ({len(text):,} letters)"
