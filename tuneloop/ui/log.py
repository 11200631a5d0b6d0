"""One log: the conversation and its answer, what people think of it, what was measured, and where it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from nicegui import ui

from tuneloop import calls, filters, lineage
from tuneloop.errors import InvalidInput
from tuneloop.lineage import Lineage
from tuneloop.pages import text
from tuneloop.reports.numbers import UNKNOWN, dollars, milliseconds
from tuneloop.store import log_order
from tuneloop.store.database import clean
from tuneloop.store.log_order import Beside
from tuneloop.store.log_search import ORDERS, Order
from tuneloop.types import Log, Score
from tuneloop.ui import conversation, parts, trace, turns, writing
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.scoring import Scores, Scoring, Thumbs

#: seconds between looks at what others say
_EVERY = 5.0
#: of a raw body; who wants more asks the API
_MOST = 200_000

Fact = tuple[str, str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """What a page of a log is made of."""

    log: Log
    scores: Sequence[Score]
    beside: Beside
    spans: Sequence[Log]
    lineage: Lineage
    #: whether the model that answered was tuned here
    tuned: bool


async def _log(here: Here) -> None:
    found = await here.do(_load, here, clean(str(here.names["log_id"])))
    log = found.log
    _ways(here, found.beside)
    parts.title(
        f"{log.span_name or log.model}",
        "What was asked, what was answered, and what people think of it. Good and corrected answers are what a small "
        "model learns from.",
    )
    scoring = Scoring(here, log, found.scores)
    with parts.tag("div", "log"):
        with parts.tag("div", "stack main"):
            _asked(log)
            _answered(scoring)
            if found.spans:
                with parts.card():
                    parts.heading("Trace", "What was done together with this call, and within what.")
                    ui.html(trace.markup(found.spans, log), sanitize=False)
            _raw(log)
        with parts.tag("aside", "stack side").props('aria-label="About this call"'):
            with parts.card():
                Scores(scoring)
            with parts.card():
                parts.heading("Facts")
                ui.html(_terms(_facts(found)), sanitize=False)
            _went(found.lineage)
    parts.every(_EVERY, scoring.look)


def _load(here: Here, log_id: str) -> _Found:
    store = here.loop.store
    log = store.logs.get(log_id)
    try:
        tree = filters.parse(here.query.get("where", ""))
    except InvalidInput:
        tree = filters.All(())  # the list says what is wrong with it
    model = store.models.find(log.served_by or log.model)
    return _Found(
        log=log,
        scores=store.scores.of([log.id])[log.id],
        beside=log_order.beside(store.logs, log.id, tree, _order(here)),
        spans=trace.load(store, log),
        lineage=lineage.of_log(store, log.id),
        tuned=model is not None and model.kind == "tuned",
    )


def _ways(here: Here, beside: Beside) -> None:
    """Back to the list, and to what is next to this one in it."""
    query = f"?{urlencode(here.query)}" if here.query else ""
    with parts.row("between log-ways"):
        parts.link("← All logs" if not here.query else "← Back to the list", f"/logs{query}")
        with parts.row():
            ends = ("← Newer", "Older →") if _order(here) == "created_at" else ("← Higher", "Lower →")
            for said, log_id in zip(ends, (beside.before, beside.after), strict=True):
                if log_id is not None:
                    parts.link(said, f"{path(log_id)}{query}", "plain")
            if here.may("reviewer"):
                parts.link("Ask again", f"/playground?{urlencode({'log': str(here.names['log_id'])})}", "plain")
                at = {"at": str(here.names["log_id"])}
                where = {"where": here.query["where"]} if here.query.get("where") else {}
                parts.link("Review", f"/review?{urlencode({**where, **at})}", "plain")


def _order(here: Here) -> Order:
    """The order of the list that one came from."""
    return next((order for order in ORDERS if order == here.query.get("order")), "created_at")


def path(log_id: str) -> str:
    """Where the page of a log is."""
    return f"/logs/{quote(log_id, safe='')}"


def _asked(log: Log) -> None:
    with parts.card():
        parts.heading("Asked")
        asked = turns.asked(log)
        if asked:
            conversation.show(asked)
        else:
            parts.text("p", "This call holds no text; its raw JSON is below.", "dim")
        if offered := turns.tools(log):
            ui.html(conversation.offered(offered), sanitize=False)


def _answered(scoring: Scoring) -> None:
    log = scoring.log
    said = turns.answers(log)
    with parts.card("stack log-answered"):
        parts.heading("Answered")
        if log.error or log.status >= 400:
            with parts.row("log-failed"):
                parts.badge(f"{log.status}", "bad")
                parts.text("span", log.error or "It failed without a reason.")
        if said:
            ui.html(conversation.said(said[0]), sanitize=False).classes("conversation spoken")
        elif not log.error:
            parts.text("p", "Nothing was said.", "dim")
        Thumbs(scoring)
        if said[1:]:
            with parts.tag("details"):
                parts.text("summary", f"{len(said) - 1} more of the answers that were asked for")
                conversation.show(said[1:])


def _raw(log: Log) -> None:
    """The bodies as they were, fetched when they are looked at."""
    with parts.card("stack log-raw"):
        parts.heading("Raw", "Exactly what went over the wire.")
        bodies: list[tuple[str, Any]] = [("Request", log.request), ("Response", log.response)]
        if log.attributes:
            bodies.append(("Attributes", log.attributes))
        for name, body in bodies:
            _folded(name, _readable(body))


def _folded(name: str, said: str) -> None:
    with parts.tag("details") as fold:
        parts.text("summary", f"{name} ({len(said):,} characters)")
        place = parts.tag("div")

    def fill() -> None:
        if not place.default_slot.children:
            with place:
                parts.code(said[:_MOST], label=f"the {name.lower()}")
                if len(said) > _MOST:
                    parts.text("p", f"The first {_MOST:,} characters; GET /v1/logs/ID has all of it.", "dim")

    fold.on("toggle", fill)


def _readable(body: Any) -> str:
    if not isinstance(body, bytes):
        return writing.dumped(body)
    value = calls.parse(body)
    return body.decode("utf-8", "replace") if value is None else writing.dumped(value)


def _facts(found: _Found) -> list[Fact]:
    log = found.log
    served = log.served_by or UNKNOWN
    tokens = ", ".join(
        f"{count:,} {name}"
        for count, name in ((log.prompt_tokens, "read"), (log.completion_tokens, "written"))
        if count is not None
    )
    facts: list[Fact] = [
        ("When", f"{datetime.fromtimestamp(log.created_at, UTC):%Y-%m-%d %H:%M:%S} UTC", None),
        ("Asked for", log.model, _list(f"model = {_quoted(log.model)}")),
        ("Answered by", served, f"/models/{quote(served, safe='')}" if found.tuned else None),
        ("Prompt", log.prompt or "", log.prompt and _list(f"prompt = {_quoted(log.prompt)}")),
        ("Status", str(log.status), None),
        ("Finish reason", log.finish_reason or "", None),
        ("Tokens", tokens or UNKNOWN, None),
        ("Latency", milliseconds(log.latency_ms), None),
        ("First token", milliseconds(log.first_token_ms) if log.first_token_ms is not None else "", None),
        ("Cost", dollars(log.cost), None),
        ("User", log.user or "", log.user and _list(f"user = {_quoted(log.user)}")),
        ("Came by", log.source + (", streamed" if log.stream else ""), None),
        ("Endpoint", log.endpoint, None),
        ("Log", log.id, None),
        ("Answer's id", log.response_id or "", None),
        ("Trace", log.trace_id or "", log.trace_id and _list(f"trace_id = {_quoted(log.trace_id)}")),
    ]
    tags = [(name, value, _tagged(name, value)) for name, value in sorted(log.metadata.items())]
    return [*facts, *tags, *((name, value, None) for name, value in turns.settings(log))]


def _list(where: str) -> str:
    return f"/logs?{urlencode({'where': where})}"


def _tagged(name: str, value: str) -> str:
    """The logs with the same metadata."""
    return _list(f"metadata.{_quoted(name) if not name.isidentifier() else name} = {_quoted(value)}")


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _terms(facts: Sequence[Fact]) -> str:
    """Names and values, some of them links, as a list of terms; empty ones are left out."""
    rows = "".join(f"<dt>{text(name)}</dt><dd>{_linked(value[:300], to)}</dd>" for name, value, to in facts if value)
    return f'<dl class="log-facts">{rows}</dl>'


def _linked(said: str, to: str | None) -> str:
    return f'<a href="{text(to)}">{text(said)}</a>' if to else text(said)


def _went(found: Lineage) -> None:
    """The data sets that hold this call, and what has become of them."""
    with parts.card():
        parts.heading("Where it went")
        if not found.datasets:
            parts.text("p", "Into no data set yet.", "dim")
            return
        sets = [
            ("Data set", f"{one.name}, {split}", f"/datasets/{quote(one.id, safe='')}") for one, split in found.datasets
        ]
        models = list(dict.fromkeys(job.fine_tuned_model for job in found.jobs if job.fine_tuned_model))
        tuned = [("Model", name, f"/models/{quote(name, safe='')}") for name in models]
        ui.html(_terms([*sets, *tuned]), sanitize=False)


PAGE = page("/logs/{log_id:path}", "Log")(_log)
