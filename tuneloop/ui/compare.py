"""Compare: what was compared, the verdicts, and a new comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from urllib.parse import quote

from tuneloop.pages import text
from tuneloop.reports.contents import VERDICTS
from tuneloop.reports.numbers import at, listed, plural, word
from tuneloop.store import Store, schema
from tuneloop.types import Evaluation
from tuneloop.ui import compare_form, parts, tables
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here

#: seconds between looks while the page is open; evaluations of a page
_EVERY, _PAGE = 3.0, 20
#: names of arms in a line
_ARMS = 4

_STATES: dict[str, parts.Tone] = {"queued": "plain", "running": "accent", "failed": "bad", "cancelled": "plain"}


class Seen(NamedTuple):
    """A page of evaluations."""

    found: list[Evaluation]
    #: by id
    datasets: dict[str, str]
    more: bool


def look(store: Store, after: str | None) -> Seen:
    """The evaluations behind `after`, newest first."""
    found, more = store.evaluations.newest(limit=_PAGE, after=after)
    ids = {one.dataset_id for one in found}
    return Seen(found, {one.id: one.name for one in store.datasets.all(schema.datasets.c.id.in_(ids))}, more)


def look_again(store: Store, after: str | None, seen: Seen) -> Seen:
    """The same a little later. Reports are long: they are read again only when something has begun or ended."""
    states = store.evaluations.states(limit=_PAGE, after=after)
    if [(one.id, one.status) for one in seen.found] != [(name, status) for name, status, _ in states]:
        return look(store, after)
    moved = zip(seen.found, states, strict=True)
    return seen._replace(found=[replace(one, progress=progress) for one, (_, _, progress) in moved])


async def _compare(here: Here) -> None:
    after = here.query.get("after")
    seen = await here.do(look, here.loop.store, after)
    parts.title(
        "Compare", "Is the small model good enough? All models answer calls that none of them has seen, and are judged."
    )
    asks = any(here.query.get(name) for name in ("new", "dataset", "model"))
    if asks and here.may("owner"):
        await compare_form.draw(here)
    elif here.may("owner") and seen.found:
        parts.link("New comparison", "/compare?new=1", "main")
    shown = parts.live(lambda now: _table(here, now, asks), seen)

    async def again() -> None:
        nonlocal seen
        seen = await here.do(look_again, here.loop.store, after, seen)
        shown.show(seen)

    parts.every(_EVERY, again)


def _table(here: Here, seen: Seen, asks: bool) -> None:
    if not seen.found:
        if not asks:
            with parts.empty("Nothing is compared yet", "A comparison takes a data set and the models to judge on it."):
                if here.may("owner"):
                    parts.link("New comparison", "/compare?new=1", "main")
        return
    with parts.card("stack comparisons"):
        rows = [_row(one, seen.datasets.get(one.dataset_id, "")) for one in seen.found]
        tables.table(("Verdict", "What was found", "Data set", "Models", "When"), rows, label="Comparisons")
        if seen.more or here.query.get("after"):
            with parts.row("end"):
                if here.query.get("after"):
                    parts.link("Newest", "/compare", "plain")
                if seen.more:
                    parts.link("Older", here.url(after=seen.found[-1].id), "plain")


def _row(one: Evaluation, dataset: str) -> list[tables.Cell | str]:
    dataset = dataset or word(at(one.report, "dataset", "name"))
    arms = [word(arm.get("name")) for arm in listed(one.report.get("arms"))] or list(one.progress.get("arms", {}))
    more = [f"and {len(arms) - _ARMS} more"] if len(arms) > _ARMS else []
    return [
        _state(one),
        _sentence(one),
        tables.Cell(said=dataset or "gone", to=f"/datasets/{quote(dataset)}" if dataset else None),
        ", ".join(arms[:_ARMS] + more) or ", ".join((one.asked or {}).get("models", [])) or "-",
        tables.when(one.created_at),
    ]


def _state(one: Evaluation) -> tables.Cell:
    if one.status != "completed":
        return tables.Cell(said=one.status, tone=_STATES[one.status])
    short, tone = VERDICTS.get(word(at(one.report, "verdict", "answer")), ("no verdict", "plain"))
    return tables.Cell(said=short, tone=tone)


def _sentence(one: Evaluation) -> tables.Cell:
    """What was found, or how far it is; a link to the rest."""
    to = f"/compare/{quote(one.id)}"
    if one.status == "completed":
        said = word(at(one.report, "verdict", "sentence")) or f"{plural(one.report.get('rows', 0), 'row')} compared"
        return tables.Cell(said=said, to=to)
    if one.status == "failed":
        return tables.Cell(said=word(at(one.error, "message"), "It did not work"), to=to)
    if one.status == "cancelled":
        return tables.Cell(said="It was cancelled", to=to)
    done, total = _counted(one)
    doing = one.progress.get("doing") or ("Comparing" if one.status == "running" else "Waiting for its turn")
    share = f"{done / total:.4f}" if total else "0"
    bar = f'<progress max="1" value="{share}" aria-label="{text(doing)}"></progress>'
    counted = f"<small>{done:,} of {total:,} answers</small>" if total else ""
    return tables.Cell(markup=f'<a href="{text(to)}">{text(doing)}</a>{bar}{counted}')


def _counted(one: Evaluation) -> tuple[int, int]:
    arms = list(one.progress.get("arms", {}).values())
    return sum(done for done, _ in arms), sum(total for _, total in arms)


PAGE = page("/compare", "Compare")(_compare)
