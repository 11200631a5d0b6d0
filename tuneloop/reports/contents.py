"""The order of a report: the verdict first, then what it rests on, and last how it was measured."""

from __future__ import annotations

from collections.abc import Iterator

from tuneloop.reports.arms import arms, grades, pictures
from tuneloop.reports.blocks import Answer, Block, Cell, Figures, Section, Text, Tone
from tuneloop.reports.details import confusions, cost, learning, problems, regression, segments
from tuneloop.reports.method import method
from tuneloop.reports.numbers import (
    Report,
    Scale,
    arm_named,
    at,
    day,
    dollars,
    means,
    milliseconds,
    name_of,
    number,
    per_1000,
    plural,
    shown,
    table_of,
    word,
    words,
)
from tuneloop.reports.rows import rows

_WORDS: dict[str, tuple[str, Tone]] = {
    "yes": ("The verdict: yes", "good"),
    "no": ("The verdict: no", "bad"),
    "needs_more": ("The verdict: more rows are needed", "warn"),
}
#: a verdict in a word or two
VERDICTS: dict[str, tuple[str, Tone]] = {
    "yes": ("yes", "good"),
    "no": ("no", "bad"),
    "needs_more": ("more rows", "warn"),
}
_NO_VERDICT: tuple[str, Tone] = ("No verdict", "plain")


def contents(report: Report) -> list[Section]:
    """The sections of a report; those that it has nothing for are left out."""
    all_sections = (
        Section(title(report), list(_head(report))),
        Section("The arms", [*arms(report), *grades(report)]),
        Section("In pictures", list(pictures(report))),
        Section("Groups of rows", list(segments(report))),
        Section("Labels it mistakes for others", list(confusions(report))),
        Section("Cost", list(cost(report))),
        Section("Would more rows help?", list(learning(report))),
        Section("Has it forgotten anything?", list(regression(report))),
        Section("What went wrong on the way", list(problems(report))),
        Section("Rows that are answered differently", list(rows(report))),
        Section("How it was measured", list(method(report))),
    )
    return [section for section in all_sections if section.blocks]


def title(report: Report) -> str:
    """What the report is called."""
    name = word(at(report, "dataset", "name"))
    return word(report.get("title"), f"Evaluation on {name}" if name else "Evaluation")


def _head(report: Report) -> Iterator[Block]:
    about = [
        word(at(report, "dataset", "name")) and f"data set {at(report, 'dataset', 'name')}",
        number(report.get("rows")) is not None and f"{plural(report['rows'], 'row')} that no model has seen",
        number(report.get("created_at")) is not None and day(report.get("created_at")),
    ]
    said = ", ".join(str(part) for part in about if part)
    if said:
        yield Text(said[0].upper() + said[1:] + ".", note=True)
    verdict = table_of(report.get("verdict"))
    answer, tone = _WORDS.get(word(verdict.get("answer")), _NO_VERDICT)
    sentence = word(verdict.get("sentence"), "The report holds no verdict; the numbers are below.")
    reasons = words(verdict.get("reasons"))
    more = number(verdict.get("rows_needed"))
    if more is not None and f"{more:,.0f}" not in " ".join([sentence, *reasons]):
        reasons.append(f"About {plural(more, 'more row')} would settle it.")
    yield Answer(word=answer, sentence=sentence, tone=tone, reasons=reasons)
    figures = list(_figures(report))
    if figures:
        yield Figures(figures)


def _figures(report: Report) -> Iterator[tuple[str, Cell]]:
    """The candidate's numbers, beside those of the baseline."""
    baseline, candidate = arm_named(report, "baseline"), arm_named(report, "candidate")
    if candidate is None:
        return
    scale = Scale(report)

    def before(text: str) -> str:
        return f"{name_of(baseline)}: {text}" if baseline is not None else ""

    yield "Quality", Cell(scale.score(means(report, candidate)), before(scale.score(means(report, baseline or {}))))
    times = [at(arm, "latency_ms", "p50") for arm in (candidate, baseline)]
    yield "Usual answer time", Cell(milliseconds(times[0]), before(milliseconds(times[1])))
    costs = [per_1000(report, arm) for arm in (candidate, baseline)]
    yield "1,000 calls", Cell(dollars(costs[0]), before(dollars(costs[1])))
    saving = number(at(report, "cost", "saving_per_month"))
    if saving is not None:
        yield (
            "Saved in a month" if saving >= 0 else "Dearer in a month",
            Cell(dollars(abs(saving)), f"at {shown(at(report, 'cost', 'calls_per_month'))} calls"),
        )
