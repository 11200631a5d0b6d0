"""One row of a data set, as the conversation that it is."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from tuneloop import calls
from tuneloop.errors import NotFound
from tuneloop.types import Dataset, Example
from tuneloop.ui import conversation, parts, turns
from tuneloop.ui.datasets_rows import said_of
from tuneloop.ui.datasets_words import path, total
from tuneloop.ui.doctor_changes import changed
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here


async def _shown(here: Here) -> None:
    dataset, number, example = await here.do(_look, here)
    ui.page_title(f"Row {number:,} of {dataset.name} · Tuneloop")
    parts.link(f"Back to {dataset.name}", path(here.names["name"])).classes("back")
    with parts.row("between top-of-page"):
        parts.title(
            f"Row {number:,} of {total(dataset):,}", "What stands above the answer is asked, the answer is learnt."
        )
        with parts.row():
            if number > 1:
                parts.link("Earlier", path(here.names["name"], "rows", str(number - 1)), "plain")
            if number < total(dataset):
                parts.link("Later", path(here.names["name"], "rows", str(number + 1)), "plain")
    with parts.tag("div", "row-of-dataset"):
        with parts.tag("div", "stack"):
            with parts.card():
                parts.text("h2", "Conversation")
                conversation.show(turns.of_messages(example.messages))
            if example.rejected:
                _rejected(example)
        with parts.card("stack facts"):
            _facts(example)
    if example.tools:
        offered = [(str((tool.get("function") or {}).get("name") or tool.get("type")), tool) for tool in example.tools]
        ui.html(conversation.offered(offered), sanitize=False)


def _look(here: Here) -> tuple[Dataset, int, Example]:
    dataset = here.loop.store.datasets.named(here.names["name"])
    asked = str(here.names["number"])
    number = int(asked) if asked.isdecimal() and len(asked) < 10 else 0
    found: Sequence[tuple[int, Example]] = here.loop.store.datasets.numbered(dataset.id, [number])
    if not found:
        raise NotFound(f"data set {dataset.name!r} has the rows 1 to {total(dataset):,}, not {asked!r}")
    return dataset, number, found[0][1]


def _rejected(example: Example) -> None:
    """Worse answers to the same, and what the row's own has in their place."""
    with parts.card():
        parts.heading("Worse answers", "Somebody corrected them. The methods dpo and kto learn from the difference.")
        target = calls.text_of(example.messages[-1])
        for worse in example.rejected:
            ui.html(f'<p class="change">{changed(calls.text_of(worse), target)}</p>', sanitize=False)


def _facts(example: Example) -> None:
    said = said_of(example)
    facts = [("Split", example.split), ("Weight", f"{example.weight:g}"), ("Id", example.id)]
    facts += [(name, str(value)[:200]) for name, value in example.extra.items()]
    if said.said:
        facts.insert(1, ("Said of it", said.said))
    parts.pairs(facts)
    if example.log_id:
        parts.link("The call that it comes from", f"/logs/{example.log_id}")


PAGE = page("/datasets/{name}/rows/{number}", "Row")(_shown)
