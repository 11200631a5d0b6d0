"""What stands behind a verdict: groups of rows, confused labels, cost, more rows, what is forgotten or failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from tuneloop.reports import plots
from tuneloop.reports.blocks import Block, Bullets, Cell, Plot, Table, Text
from tuneloop.reports.numbers import (
    UNKNOWN,
    Json,
    Report,
    Scale,
    at,
    dollars,
    listed,
    name_of,
    number,
    percent,
    plural,
    shown,
    table_of,
    word,
    words,
)
from tuneloop.reports.plots import Point

#: listed at most (groups that are flagged always are); the rest is counted
_SEGMENTS = 30
_PAIRS = 12
_SKIPPED = 20

_FLAGS = {"worse": Cell("worse", "", "bad"), "better": Cell("better", "", "good")}
_ORDER = {"worse": 0, "better": 1}
_WHAT = {"timeout": "no answer in time", "call": "call failed", "grader": "grader failed", "row": "row unusable"}


def segments(report: Report) -> Iterator[Block]:
    """The groups of rows, those in which the candidate lost or won first."""
    found = sorted(listed(report.get("segments")), key=lambda one: _ORDER.get(str(one.get("flag")), 2))
    if not found:
        return
    worse = [word(one.get("value"), UNKNOWN) for one in found if one.get("flag") == "worse"]
    if worse:
        yield Text(f"The candidate is worse in {plural(len(worse), 'group')}: {', '.join(worse)}.", "bad")
    else:
        yield Text("In no group is the candidate worse by more than chance.")
    most = max(_SEGMENTS, sum(one.get("flag") in _ORDER for one in found if isinstance(one.get("flag"), str)))
    scale, names = Scale(report), [word(report.get(key), key) for key in ("baseline", "candidate")]
    headers = ("group", "rows", *names, "difference", "finding")
    yield Table(
        headers,
        [
            [
                Cell(word(one.get("value"), UNKNOWN), word(one.get("by"))),
                Cell(shown(one.get("rows"))),
                *(Cell(scale.score(at(one, "means", name))) for name in names),
                Cell(scale.change(at(one, "difference", "mean")), scale.between(one.get("difference"), "+")),
                _FLAGS.get(word(one.get("flag")), Cell("")),
            ]
            for one in found[:most]
        ],
    )
    if len(found) > most:
        yield Text(f"And {plural(len(found) - most, 'more group')} without a difference that chance does not explain.")


def confusions(report: Report) -> Iterator[Block]:
    """What the candidate said in place of what, the most frequent pairs, with how often the others did."""
    counts = {name_of(arm): _pairs(arm.get("confusion")) for arm in listed(report.get("arms"))}
    candidate = word(report.get("candidate"), word(report.get("baseline")))
    own = counts.get(candidate)
    if not own:
        return
    shown_pairs = sorted(own, key=lambda pair: -own[pair])[:_PAIRS]
    others = [name for name in counts if name != candidate and counts[name]]
    headers = ("right is", f"{candidate} says", "rows", *others)
    yield Table(
        headers,
        [
            [
                Cell(meant),
                Cell(said),
                Cell(str(own[meant, said])),
                *(Cell(_often(counts[o], meant, said)) for o in others),
            ]
            for meant, said in shown_pairs
        ],
    )
    rest = len(own) - len(shown_pairs)
    if rest:
        yield Text(f"And {plural(rest, 'rarer pair')}.")


def _often(counts: Mapping[tuple[str, str], int], meant: str, said: str) -> str:
    return str(counts.get((meant, said), 0))


def _pairs(confusion: Json) -> dict[tuple[str, str], int]:
    """How often one label was said for another."""
    return {
        (word(one.get("meant"), UNKNOWN), word(one.get("said"), UNKNOWN)): int(number(one.get("count")) or 0)
        for one in listed(confusion)
    }


def cost(report: Report) -> Iterator[Block]:
    """Prices with their sources, the saving, and when the training has paid for itself."""
    found = table_of(report.get("cost"))
    arms = table_of(found.get("arms"))
    if not found:
        return
    yield Bullets(list(_savings(found)))
    if arms:
        yield Table(
            ("arm", "per 1,000 calls", "per month", "price"),
            [
                [
                    Cell(str(name)),
                    Cell(dollars(at(arm, "per_1000"))),
                    Cell(dollars(at(arm, "per_month"))),
                    Cell(word(at(arm, "source"), "not known"), word(at(arm, "date"))),
                ]
                for name, arm in arms.items()
            ],
        )
    notes = words(found.get("notes"))
    if notes:
        yield Bullets(notes)


def _savings(found: Mapping[str, Json]) -> Iterator[str]:
    calls = number(found.get("calls_per_month"))
    source = f": {found['calls_source']}" if word(found.get("calls_source")) else ""
    if calls is None:
        yield f"How many calls there are in a month is not known{source}."
    else:
        yield f"{calls:,.0f} calls a month{source}."
    yield _saved(found)
    training = found.get("training")
    if training:
        minutes, price = number(at(training, "minutes")), at(training, "dollars")
        took = "" if minutes is None else f" and took {minutes:,.1f} minutes"
        price = f"cost {dollars(price)}" if number(price) is not None else "has a cost that is not known"
        yield f"The training {price}{took} ({word(at(training, 'source'), 'source not known')})."
        yield _break_even(found)


def _saved(found: Mapping[str, Json]) -> str:
    saving, per = number(found.get("saving_per_month")), "a month"
    if saving is None:
        saving, per = number(found.get("saving_per_1000")), "on 1,000 calls"
    if saving is None:
        return "What the candidate saves is not known."
    if saving > 0:
        return f"The candidate saves {dollars(saving)} {per}."
    return f"The candidate saves nothing: it costs {dollars(-saving)} {per} more." if saving else "It costs the same."


def _break_even(found: Mapping[str, Json]) -> str:
    calls, days = number(found.get("break_even_calls")), number(found.get("break_even_days"))
    saving = number(found.get("saving_per_1000"))
    if calls is None:
        never = saving is not None and saving <= 0
        return f"When it has paid for itself: {'never, as no call is cheaper' if never else 'not known'}."
    after = "" if days is None else f", after {plural(days, 'day') if days >= 10 else f'{days:.1f} days'}"
    return f"It has paid for itself with call {calls:,.0f}{after if days is None or days >= 0.1 else ', within hours'}."


def learning(report: Report) -> Iterator[Block]:
    """The learning curve with its forecast."""
    found = table_of(report.get("learning_curve"))
    if word(found.get("sentence")):
        yield Text(word(found["sentence"]))
    points = [point for one in listed(found.get("points")) if (point := _learnt(one)) is not None]
    if len(points) < 2:
        return
    scale = Scale(report)
    forecast = _learnt(table_of(found.get("forecast")))
    yield Plot(
        title=f"{scale.name} by rows learnt from",
        svg=plots.curve(points, forecast, lambda value: f"{value:,.0f}", scale.tick),
        caption="Rows that were learnt from, from left to right, with intervals"
        + ("; the last point, dashed, is a forecast." if forecast else "."),
    )
    yield Table(
        ("rows", scale.name, "source"),
        [
            [
                Cell(shown(p.x)),
                Cell(scale.score(p.y), _ends(scale, p)),
                Cell("forecast" if p is forecast else "measured"),
            ]
            for p in [*points, *([forecast] if forecast else [])]
        ],
    )


def _learnt(one: Mapping[str, Json]) -> Point | None:
    rows, mean = number(one.get("rows")), number(one.get("mean"))
    if rows is None or mean is None or rows < 0:
        return None
    return Point("", mean, number(one.get("low")), number(one.get("high")), x=rows)


def _ends(scale: Scale, point: Point) -> str:
    return scale.between({"low": point.low, "high": point.high})


def regression(report: Report) -> Iterator[Block]:
    """Whether the tuned model can still do what it could."""
    found = table_of(report.get("regression"))
    if not found:
        return
    yield Text(word(found.get("sentence")), "bad" if found.get("forgotten") else "plain")
    rows = []
    for key, name, form, count in (
        ("questions", "general questions answered right", percent, "rows"),
        ("loss", "loss on other texts (less is better)", _loss, "texts"),
    ):
        one = found.get(key)
        if one:
            sides = [form(at(one, side)) for side in ("before", "after")]
            ends = [percent(at(one, end)) for end in ("low", "high")]
            interval = f"difference {ends[0]} to {ends[1]}" if UNKNOWN not in ends else ""
            rows.append([Cell(name, f"{shown(at(one, count))} of them"), Cell(sides[0]), Cell(sides[1], interval)])
    if rows:
        yield Table(("ability", "before", "after"), rows)


def _loss(value: Json) -> str:
    return shown(value, ".3f")


def problems(report: Report) -> Iterator[Block]:
    """Failed calls, failed graders and rows left out: all of them, or that there were none."""
    found = listed(report.get("arms"))
    skipped = listed(report.get("skipped"))
    if not found and not skipped:
        return
    counts = [[Cell(name_of(arm)), *(_count(arm.get(key)) for key in _FAILURES)] for arm in found]
    failed = any(number(arm.get(key)) for arm in found for key in _FAILURES)
    if not failed and not skipped:
        yield Text("No call failed, no grader failed, no row was left out.")
        return
    if failed:
        yield Table(("arm", "failed calls", "of these too late", "failed graders"), counts)
    kinds = [
        f"{name_of(arm)}: {_WHAT.get(str(one.get('what')), 'something else')}, "
        f"{plural(number(one.get('count')) or 1, 'time')}: {word(one.get('message'), UNKNOWN)}{_where(one.get('rows'))}"
        for arm in found
        for one in listed(arm.get("problems"))
    ]
    if kinds:
        yield Bullets(kinds)
    if skipped:
        yield Text(f"{plural(len(skipped), 'row')} left out:", "warn")
        yield Bullets(
            [f"{word(one.get('id'), UNKNOWN)}: {word(one.get('reason'), UNKNOWN)}" for one in islice(skipped, _SKIPPED)]
        )
        if len(skipped) > _SKIPPED:
            yield Text(f"And {len(skipped) - _SKIPPED:,} more.")


_FAILURES = ("errors", "timeouts", "grader_failures")


def _count(value: Json) -> Cell:
    return Cell(shown(value), "", "warn" if number(value) else "plain")


def _where(rows: Json) -> str:
    return f" (rows {', '.join(words(rows))})" if words(rows) else ""
