"""How a report's numbers came about: for readers who would measure it again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from tuneloop.reports.blocks import Cell, Table, Text
from tuneloop.reports.numbers import (
    UNKNOWN,
    Json,
    Report,
    Scale,
    at,
    day,
    dollars,
    listed,
    name_of,
    number,
    percent,
    plural,
    shown,
    table_of,
    word,
)

_PROMPTS = {"row": "each row's own", "short": "a short one"}
_TESTS = {
    "mcnemar": "McNemar's exact test on the rows that one of the two has right",
    "sign_flip": "a permutation test that flips the signs of the rows' differences",
}


def method(report: Report) -> Iterator[Text | Table]:
    """Models, prompts, parameters, statistics, machine and date."""
    facts = [(name, text) for name, text in _facts(report) if text]
    if facts:
        yield Table(("", ""), [[Cell(name), Cell(text)] for name, text in facts])
    found = listed(report.get("arms"))
    if found:
        yield Table(("arm", "model", "prompt", "examples"), [_arm(arm) for arm in found])
        yield Text(_statistics(report), note=True)


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    dataset = report.get("dataset")
    named = [at(dataset, "name"), at(dataset, "id"), word(at(dataset, "split")) and f"split {at(dataset, 'split')}"]
    yield "Data set", ", ".join(word(part) for part in named if word(part))
    yield "Rows", _counted(report)
    yield "Graders", ", ".join(_grader(grader) for grader in listed(report.get("graders")))
    yield "Calls at a time", shown(report.get("concurrency")) if number(report.get("concurrency")) else ""
    parameters = report.get("parameters")
    yield (
        "Parameters",
        ", ".join(f"{key} {_value(one)}" for key, one in table_of(parameters).items() if one is not None),
    )
    margin = number(report.get("margin"))
    yield "Accepted loss", "" if margin is None else Scale(report).change(margin).lstrip("+")
    spent = number(report.get("spent"))
    yield "Spent on calls and judges", dollars(spent) if spent else ""
    yield "Machine", word(report.get("machine"))
    yield "Date", day(report.get("created_at")) if number(report.get("created_at")) is not None else ""


def _value(value: Json) -> str:
    return json.dumps(value, default=str) if isinstance(value, Mapping | list) else word(value, UNKNOWN)


def _counted(report: Report) -> str:
    rows, trained = number(report.get("rows")), number(at(report, "dataset", "train_rows"))
    said = ["" if rows is None else f"{plural(rows, 'row')} compared, the same for every arm"]
    said.append("" if trained is None else f"{plural(trained, 'row')} to learn from")
    return "; ".join(filter(None, said))


def _grader(grader: Mapping[str, Json]) -> str:
    kind = word(grader.get("type"))
    return f"{word(grader.get('name'), '?')}{f' ({kind})' if kind else ''}"


def _arm(arm: Mapping[str, Json]) -> list[Cell]:
    prompt, count, pick = arm.get("prompt"), number(arm.get("examples")), word(arm.get("pick"))
    if word(at(prompt, "name")):
        prompt = f"{at(prompt, 'name')}, version {word(at(prompt, 'version'), '?')}"
    prompt = word(prompt, _PROMPTS.get(str(arm.get("system")), "each row's own"))
    picked = f", picked by {'similarity' if pick == 'similar' else pick}" if pick else ""
    if arm.get("kind") == "logged":
        prompt = "as it was"
    return [
        Cell(name_of(arm)),
        Cell(word(arm.get("model"), UNKNOWN)),
        Cell(prompt),
        Cell(f"{count:.0f}{picked}" if count else "none"),
    ]


def _statistics(report: Report) -> str:
    level = percent(number(report.get("level")) or 0.95)
    found = [arm.get("difference") for arm in listed(report.get("arms"))]
    tests = {word(at(one, "test")) for one in found if word(at(one, "test"))}
    by = " and ".join(_TESTS.get(test, test) for test in sorted(tests))
    corrected = any(number(at(one, "p_adjusted")) is not None for one in found)
    return (
        "Every arm answered the same rows in the same order under the same load; a call that fails counts as wrong. "
        f"Intervals hold with a confidence of {level}: those of a share of right answers are Wilson's, the others come "
        "from weighing the rows at random, the scores of a row together (Bayesian bootstrap)."
        + (" Those of groups hold for all groups at once." if listed(report.get("segments")) else "")
        + (f" p-values: {by}{', corrected for the number of arms (Holm)' if corrected else ''}." if by else "")
    )
