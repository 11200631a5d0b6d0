"""The table of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote, urlencode

from nicegui.events import GenericEventArguments

from tuneloop import datasets
from tuneloop.pages import text
from tuneloop.reports.numbers import UNKNOWN, dollars, milliseconds
from tuneloop.types import Log, Score
from tuneloop.ui import tables
from tuneloop.ui.tables import Cell

_HEADERS = ("Choose", "Time", "Model", "Input", "Output", "Tokens", "Latency", "Cost", "Scores")
_NUMBERS = (5, 6, 7)
#: letters of a text that are shown
_LONGEST = 140
#: a tick in the table, told to us as [id, whether it is set]
_TICKED = "(event) => event.target.dataset.log && emit([event.target.dataset.log, event.target.checked])"


def table(
    logs: Sequence[Log],
    scores: Mapping[str, Sequence[Score]],
    *,
    query: Mapping[str, str],
    chosen: set[str],
    ticked: Callable[[str, bool], None] | None,
) -> None:
    """Rows whose links keep the list's query; `ticked` is told which are chosen (None: nothing can be)."""
    lines = [_row(log, scores.get(log.id, ()), query, chosen if ticked else None) for log in logs]
    shown = tables.table(_HEADERS, lines, label="Calls", numbers=_NUMBERS).classes("calls")
    if ticked:

        def heard(event: GenericEventArguments) -> None:
            log_id, is_set = event.args
            ticked(str(log_id), bool(is_set))

        shown.on("change", heard, js_handler=_TICKED)


def path(log: Log, query: Mapping[str, str]) -> str:
    """Where a call is shown, and the way back to the list it was in."""
    return f"/logs/{quote(log.id, safe='')}" + (f"?{urlencode(query)}" if query else "")


def _row(log: Log, scores: Sequence[Score], query: Mapping[str, str], chosen: set[str] | None) -> list[Cell | str]:
    tokens = [count for count in (log.prompt_tokens, log.completion_tokens) if count is not None]
    return [
        Cell(markup="" if chosen is None else _tick(log, log.id in chosen)),
        tables.when(log.created_at),
        Cell(said=log.model, below=_below(log)),
        Cell(said=_short(log.input_text) or "(no text)", to=path(log, query)),
        Cell(markup=_answer(log)),
        f"{sum(tokens):,}" if tokens else UNKNOWN,
        milliseconds(log.latency_ms) if log.latency_ms is not None else UNKNOWN,
        dollars(log.cost),
        Cell(markup=_scores(scores)),
    ]


def _tick(log: Log, is_set: bool) -> str:
    label = text(f"Choose {_short(log.input_text)[:60] or log.id}")
    return f'<input type="checkbox" data-log="{text(log.id)}" aria-label="{label}"{" checked" if is_set else ""}>'


def _below(log: Log) -> str:
    return log.served_by if log.served_by and log.served_by != log.model else ""


def _answer(log: Log) -> str:
    if log.status >= 400:
        why = _short(log.error or "") or ("the client hung up" if log.status == 499 else "failed")
        return f'<span class="short"><span class="badge bad">{log.status}</span> {text(why)}</span>'
    return f'<span class="short">{text(_short(log.output_text))}</span>'


def _short(said: str) -> str:
    one = " ".join(said.split())
    return one if len(one) <= _LONGEST else one[: _LONGEST - 1] + "…"


def _scores(scores: Sequence[Score]) -> str:
    latest = {score.name: score for score in scores if score.value is not None}
    badges = [_badge(score) for score in latest.values()]
    if any(score.correction for score in scores):
        badges.append('<span class="badge accent">corrected</span>')
    if any(score.comment for score in scores):
        badges.append('<span class="badge">comment</span>')
    return " ".join(badges)


def _badge(score: Score) -> str:
    thumb = datasets.thumb(score)
    value = f"{score.value:.3g}" if isinstance(score.value, float) else str(score.value).lower()
    said = value if score.name == "rating" else f"{score.name} {value}"
    tone = {True: " good", False: " bad", None: ""}[thumb]
    return f'<span class="badge{tone}">{text(said[:40])}</span>'
