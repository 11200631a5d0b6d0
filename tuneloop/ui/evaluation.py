"""One evaluation: while it runs what is done now, in the end the verdict and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from nicegui import ui

from tuneloop import reports
from tuneloop.errors import NotFound
from tuneloop.reports.blocks import Answer, Figures, Section, Text
from tuneloop.reports.contents import contents
from tuneloop.reports.numbers import arm_named, at, listed, word
from tuneloop.store import Store
from tuneloop.types import Evaluation, Json
from tuneloop.ui import evaluation_blocks, evaluation_rows, forms, parts, tables
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

#: seconds between looks at one that is under way
_EVERY = 1.0
#: sections that only some want to read
_FOLDED = ("How it was measured", "What went wrong on the way")
#: where the report lists rows, of which the page has its own view
_ROWS = "Rows that are answered differently"
#: what a report is exported as, by the ending of the file
_FORMS = {".html": "Page", ".md": "Markdown", ".json": "JSON"}
_HINT = "Every model answers the same rows, which none of them has learnt from."


class Seen(NamedTuple):
    """What the page shows."""

    evaluation: Evaluation
    #: name of the data set, "" when that is gone
    dataset: str
    #: what blind votes say, in sentences
    votes: tuple[str, ...] = ()


def look(store: Store, evaluation_id: str) -> Seen:
    """The evaluation with what goes with it. Raises NotFound."""
    found = store.evaluations.get(evaluation_id)
    dataset = store.datasets.find(found.dataset_id)
    return Seen(found, dataset.name if dataset else word(at(found.report, "dataset", "name")), _votes(store, found))


def _votes(store: Store, evaluation: Evaluation) -> tuple[str, ...]:
    from tuneloop import votes  # brings in SciPy, and a server is to start at once

    return tuple(one.sentence for one in votes.results(store, evaluation))


async def _evaluation(here: Here) -> None:
    name = str(here.names["evaluation_id"])
    seen = await here.do(look, here.loop.store, name)
    if seen.evaluation.status == "completed":
        await _completed(here, seen)
        return
    shown = parts.live(lambda now: _open(here, now), seen)

    async def watch() -> None:
        try:
            now = await here.do(look, here.loop.store, name)
        except NotFound:
            ui.navigate.to("/compare")
            return
        if now.evaluation.status == "completed":
            ui.navigate.reload()
            return
        shown.show(now)

    if seen.evaluation.status in ("queued", "running"):
        parts.every(_EVERY, watch)


def _open(here: Here, seen: Seen) -> None:
    """One without a verdict: under way, failed or cancelled."""
    found = seen.evaluation
    parts.title(f"Comparison on {seen.dataset or 'a data set that is gone'}", _HINT)
    with parts.card():
        if found.status in ("queued", "running"):
            _under_way(here, found)
        else:
            _ended(here, found)
    if found.asked is not None:
        with parts.card():
            parts.heading("What is compared")
            parts.pairs(_asked(found.asked))


def _under_way(here: Here, found: Evaluation) -> None:
    doing = found.progress.get("doing") or ("Comparing" if found.status == "running" else "Waiting for its turn")
    with parts.row("between"):
        parts.text("h2", doing)
        parts.badge(found.status, "accent")
    for arm, (done, total) in found.progress.get("arms", {}).items():
        with parts.tag("div", "bar"):
            with parts.row("between"):
                parts.text("span", arm)
                parts.text("span", f"{done:,} of {total:,}", "dim")
            parts.progress(done / total if total else 0.0, arm)
    if found.asked is None:
        parts.text("p", "A command compares these; the verdict is here when it has finished. Interrupted, the same "
                   "command goes on where it was.", "dim")  # fmt: skip
    with parts.row("between"):
        parts.text("span", f"begun {tables.ago(found.created_at)}", "dim")
        if found.asked is not None and here.may("owner"):
            parts.button("Cancel", lambda: _cancel(here, found), "danger")


def _ended(here: Here, found: Evaluation) -> None:
    """One that has failed or was cancelled: why, and again."""
    failed = found.status == "failed"
    with parts.row("between"):
        parts.text("h2", "It did not work" if failed else "It was cancelled")
        parts.badge(found.status, "bad" if failed else "plain")
    if failed:
        parts.text("p", word(at(found.error, "message"), "No reason is known.")).props('role="alert"')
    with parts.row():
        if found.asked is not None and here.may("owner"):
            parts.button("Compare again", lambda: _again(here, found), "main")
            parts.link("Change something first", _form(found), "plain")
        if here.may("owner"):
            parts.button("Delete", lambda: _delete(here, found), "danger")


async def _completed(here: Here, seen: Seen) -> None:
    found = seen.evaluation
    head, *sections = contents(found.report)
    notes = [block.text for block in head.blocks if isinstance(block, Text)]
    parts.title(head.title, " ".join(notes))
    for block in head.blocks:
        if isinstance(block, Answer):
            _verdict(here, seen, block)
        elif isinstance(block, Figures):
            with parts.grid():
                for name, cell in block.cells:
                    parts.figure(name, cell.text, cell.detail)
    if not any(section.title == _ROWS for section in sections) and listed(found.report.get("results")):
        sections.insert(-1, Section(_ROWS, []))  # all answered alike, and may still be looked at
    with parts.tag("nav", "row sections").props('aria-label="Parts of the report"'):
        for section in sections:
            parts.link(_titled(section), f"#{evaluation_blocks.anchor(section)}")
    for section in sections:
        await _section(here, found, section)


def _titled(section: Section) -> str:
    return "Side by side" if section.title == _ROWS else section.title


async def _section(here: Here, found: Evaluation, section: Section) -> None:
    if section.title == _ROWS:
        await evaluation_rows.draw(here, found.report, evaluation_blocks.anchor(section))
    elif section.title in _FOLDED:
        evaluation_blocks.fold(section)
    else:
        evaluation_blocks.draw(section)


def _verdict(here: Here, seen: Seen, answer: Answer) -> None:
    """The one sentence, as large as it deserves, and what to do now."""
    with parts.card(f"verdict stack {answer.tone}"):
        parts.text("span", answer.word, "eyebrow")
        parts.text("p", answer.sentence.replace(" %", "\u00a0%"), "sentence")
        reasons = [*answer.reasons, *seen.votes]
        if reasons:
            with parts.tag("ul"):
                for reason in reasons:
                    parts.text("li", reason)
        with parts.row():
            _next(here, seen.evaluation)


def _next(here: Here, found: Evaluation) -> None:
    """Deploy on a yes; vote; take the report along; again; forget."""
    report = found.report
    candidate = arm_named(report, "candidate")
    if candidate is not None and at(report, "verdict", "answer") == "yes" and here.may("owner"):
        query = urlencode({"deploy": word(candidate.get("model")), "evaluation": found.id})
        parts.link("Deploy", f"/models?{query}", "main")
    if candidate is not None and len(listed(report.get("arms"))) > 1:
        parts.link("Vote blind", f"/compare/{quote(found.id)}/vote", "plain")
    if here.may("owner"):
        parts.link("Compare again", _form(found), "plain")
        parts.button("Delete", lambda: _delete(here, found), "danger")
    with parts.row("export"):
        parts.text("span", "Report", "dim")
        for form, said in _FORMS.items():
            parts.button(
                said, lambda form=form: _export(here, found, form), "quiet", label=f"Export the report as {said}"
            )


async def _export(here: Here, found: Evaluation, form: str) -> None:
    written = await here.do(reports.write, found.id, found.report, form)
    ui.download.content(written, f"{found.id}{form}")


async def _cancel(here: Here, found: Evaluation) -> None:
    await here.allowed("owner")
    if await forms.sure("Cancel this comparison?", "What was answered until now is thrown away.", "Cancel it"):
        from tuneloop import evaluating

        await here.do(evaluating.cancel, here.loop.store, found.id)


async def _again(here: Here, found: Evaluation) -> None:
    await here.allowed("owner")
    from tuneloop import evaluating

    made = await here.do(evaluating.create, here.loop, found.asked or {})
    ui.navigate.to(f"/compare/{made.id}")


async def _delete(here: Here, found: Evaluation) -> None:
    await here.allowed("owner")
    if await forms.sure("Delete this comparison?", "Its answers, votes and report are gone for ever.", "Delete it"):
        from tuneloop import evaluating

        await here.do(evaluating.delete, here.loop.store, found.id)
        ui.navigate.to("/compare")


def _form(found: Evaluation) -> str:
    """Where the same is asked again, filled in."""
    asked = found.asked or {}
    dataset = word(asked.get("dataset")) or word(at(found.report, "dataset", "name"))
    compared = asked.get("models") or [
        word(arm.get("model")) for arm in listed(found.report.get("arms")) if arm.get("kind") == "tuned"
    ]
    query = {"new": "1", "dataset": dataset, "model": ",".join(dict.fromkeys(compared))}
    return f"/compare?{urlencode({name: value for name, value in query.items() if value})}"


def _asked(asked: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What was asked for, in words."""
    graders = [one if isinstance(one, str) else word(at(one, "name"), "a grader") for one in asked["graders"]]
    shots = asked["shots"]
    limit = asked["max_dollars"]
    found = {
        "Data set": word(asked["dataset"]),
        "Models": ", ".join(asked["models"]),
        "Prompted model": word(asked["base"]),
        "Tuned": "yes, then compared" if asked["tune"] else "",
        "Examples in the prompt": f"{shots}" if shots else "none",
        "Logged answers": "compared, too" if asked["logged"] else "",
        "Graders": ", ".join(graders) or "what suits the answers",
        "Margin": f"{100 * asked['margin']:g} points",
        "Rows": f"the first {asked['rows']:,} of {asked['split']}" if asked["rows"] else f"all of {asked['split']}",
        "Limit": f"${limit:,.2f}" if limit is not None else "",
    }
    return [(name, said) for name, said in found.items() if said]


PAGE = page("/compare/{evaluation_id}", "Compare")(_evaluation)
