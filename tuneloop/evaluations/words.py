"""A report in words and as a table. Pure: a report is the JSON that `run` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuneloop.reports.numbers import arm_named, at, number

Report = Mapping[str, Any]
ArmReport = Mapping[str, Any]


def is_real(difference: Mapping[str, Any]) -> bool:
    """Whether a `difference` of a report is more than chance: interval without zero and p-value below 0.05.

    The p-value is the one corrected for the number of arms; the interval is the arm's own, so both are asked for.
    """
    p_value = difference.get("p_adjusted", difference["p_value"])
    return bool((difference["low"] > 0 or difference["high"] < 0) and p_value < 0.05)


def sentence(report: Report) -> str:
    """What the candidate gained over the baseline, in one plain sentence, also when it is nothing.

    Where the report does not name them: the last tuned arm (or else the last) over the first one.

    "tuned answers 91 % of 60 unseen calls right, prompted 34 %: +57 points (95 % interval 43 to 70), ..."
    """
    arms = report["arms"]
    first = arm_named(report, "baseline") or arms[0]
    others = [a for a in arms if a is not first]
    tuned = next((a for a in reversed(others) if a["kind"] == "tuned"), arms[-1])
    arm = arm_named(report, "candidate") or tuned
    claim = f"{arm['name']} {_claim(report, arm)}"
    if arm is first:
        return f"{claim}; there is nothing to compare it with."
    scores = ", ".join(f"{a['name']} {_score(report, a)}" for a in arms if a is not arm)
    parts = [f"{claim}, {scores}: {_change(report, arm)}", speed(first, arm), saving(first, arm)]
    return ", ".join(filter(None, parts)) + _reservations(report, arm) + "."


def rows_for_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """The report as headers and rows of text: a column for each arm, a row for each measure; "-" is unknown."""
    scores = [(g["name"], _metric_cell(g["name"], g["binary"])) for g in report["graders"]]
    measures: list[tuple[str, Callable[[ArmReport], str]]] = [
        *scores,
        ("difference", lambda a: _difference_cell(report, a)),
        ("95 % interval", lambda a: _interval_cell(report, a)),
        ("p-value", lambda a: _cell(at(a, "difference", "p_adjusted"), ".2g")),
        ("failed calls", lambda a: str(a["errors"])),
        ("latency p50, ms", lambda a: _cell(a["latency_ms"]["p50"], ",.0f")),
        ("latency p95, ms", lambda a: _cell(a["latency_ms"]["p95"], ",.0f")),
        ("prompt tokens", lambda a: _cell(a["prompt_tokens"], ",.0f")),
        ("answer tokens", lambda a: _cell(a["completion_tokens"], ",.1f")),
        ("answer tokens/s", lambda a: _cell(a["tokens_per_second"], ",.0f")),
        ("$ per 1,000 calls", lambda a: _cell(a["cost_per_1000"], ",.4f")),
    ]
    arms = report["arms"]
    return ["", *(a["name"] for a in arms)], [[name, *map(cell, arms)] for name, cell in measures]


def _is_binary(report: Report) -> bool:
    return bool(report["graders"][0]["binary"])


def _digits(report: Report) -> int:
    """A percent is one row in a hundred: decimals of it say something only when there are rows enough."""
    return 2 if not _is_binary(report) else 1 if report["rows"] >= 200 else 0


def _score(report: Report, arm: ArmReport) -> str:
    mean = arm["metrics"][report["primary"]]
    if mean is None:
        return "unknown"
    return f"{100 * mean:.{_digits(report)}f} %" if _is_binary(report) else f"{mean:.2f}"


def _claim(report: Report, arm: ArmReport) -> str:
    if _is_binary(report):
        return f"answers {_score(report, arm)} of {report['rows']} unseen calls right"
    return f"scores {_score(report, arm)} ({report['primary']}) on {report['rows']} unseen calls"


def _change(report: Report, arm: ArmReport) -> str:
    if arm["difference"] is None:
        return "no row could be graded for both"
    unit = " points" if _is_binary(report) else ""
    numbers = f"{_difference_cell(report, arm)}{unit} (95 % interval {_interval_cell(report, arm)})"
    if is_real(arm["difference"]):
        return numbers
    return f"no difference that these {report['rows']} rows can show, {numbers}"


def speed(first: ArmReport, arm: ArmReport) -> str:
    """ "in 30 ms instead of 90", at the median; empty where one is unknown."""
    before, after = (number(at(one, "latency_ms", "p50")) for one in (first, arm))
    return "" if before is None or after is None else f"in {after:,.0f} ms instead of {before:,.0f}"


def saving(first: ArmReport, arm: ArmReport) -> str:
    """ "for $0.5 per 1,000 calls instead of $2"; empty where one is unknown."""
    before, after = (number(one.get("cost_per_1000")) for one in (first, arm))
    return "" if before is None or after is None else f"for ${after:,.4f} per 1,000 calls instead of ${before:,.4f}"


def about(rows: int) -> str:
    """A guessed number of rows, with no more digits than the guess has: "about 1,300 rows"."""
    return f"about {float(f'{rows:.2g}'):,.0f} row{'s' if rows > 1 else ''}"


def _reservations(report: Report, arm: ArmReport) -> str:
    """What a sceptic would ask next: does another arm do better, and did calls fail?"""

    def mean(a: ArmReport) -> float:
        return float(a["metrics"][report["primary"]] or 0.0)

    best = max((a for a in report["arms"] if a["difference"] is not None), key=mean, default=arm)
    better = f"; {best['name']} has a higher score" if mean(best) > mean(arm) else ""
    failed = [f"{a['errors']} of {report['rows']} calls to {a['name']} failed" for a in report["arms"] if a["errors"]]
    return better + "".join(f"; {f}" for f in failed)


def _metric_cell(name: str, binary: bool) -> Callable[[ArmReport], str]:
    def cell(arm: ArmReport) -> str:
        mean = arm["metrics"][name]
        return f"{100 * mean:.1f} %" if binary and mean is not None else _cell(mean, ".3f")

    return cell


def _difference_cell(report: Report, arm: ArmReport) -> str:
    return _scaled(report, arm, "mean", "+")


def _interval_cell(report: Report, arm: ArmReport) -> str:
    if arm["difference"] is None:
        return "-"
    return f"{_scaled(report, arm, 'low')} to {_scaled(report, arm, 'high')}"


def _scaled(report: Report, arm: ArmReport, key: str, sign: str = "") -> str:
    if arm["difference"] is None:
        return "-"
    value = arm["difference"][key] * (100 if _is_binary(report) else 1)
    digits = _digits(report)
    # Adding zero turns a rounded "-0" into "0".
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
