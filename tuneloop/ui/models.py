"""Models: what answers under which name, and everything that could."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tuneloop import origins
from tuneloop.deployments import Served
from tuneloop.loop import Loop
from tuneloop.models import Catalog
from tuneloop.origins import Origin
from tuneloop.reports.contents import VERDICTS
from tuneloop.types import Model
from tuneloop.ui import deployments, parts, tables
from tuneloop.ui.datasets_words import path
from tuneloop.ui.deploy import DeployDialog
from tuneloop.ui.deployments import Around, Card, Case
from tuneloop.ui.frame import page
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

#: seconds between looks while the page is open; tuned models of a page
_EVERY, _PAGE = 4.0, 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What the page shows."""

    cases: list[Case]
    tuned: list[Origin]
    #: tuned models in all
    count: int
    others: list[Model]
    #: base models that are on this machine
    here: frozenset[str]


def look(loop: Loop, after: int) -> Seen:
    """Names and models, the tuned ones behind the first `after`."""
    tuned, count = origins.every(loop.store, limit=_PAGE, after=after)
    catalog = loop.routes.catalog()
    return Seen(
        cases=deployments.look(loop),
        tuned=tuned,
        count=count,
        others=[*catalog.base.values(), *catalog.upstream.values()],
        here=frozenset(model.name for model in loop.model_store.list()),
    )


async def _models(here: Here) -> None:
    asked = here.query.get("after", "")
    after = int(asked) if asked.isdecimal() else 0
    seen = await here.do(look, here.loop, after)
    whole = _Models(here, seen, after, await here.do(deployments.numbers, here.loop, seen.cases))
    parts.every(_EVERY, whole.again)
    if "deploy" in here.query and here.may("owner"):
        await whole.ask()


class _Models:
    """The page, which looks again by itself."""

    def __init__(self, here: Here, seen: Seen, after: int, served: dict[str, list[Served]]) -> None:
        self._here = here
        self._after = after
        self._served = served
        self._cards: dict[str, Card] = {}
        self._looking = asyncio.Lock()
        self._around = Around(here=here, place=parts.tag("div", "dialogs"), changed=self.again)
        with parts.row("between top-of-page"):
            parts.title("Models", "What answers under which name, where it comes from, and the way back.")
            if here.may("owner"):
                parts.button("Deploy", self.ask, "main")
        with parts.tag("section", "stack"):
            parts.heading("What answers", "Each name, with the models behind it.")
            self._names = parts.live(self._draw_names, seen.cases)
        self._lists = parts.live(lambda now: _lists(here, now, after), seen)

    def _draw_names(self, cases: list[Case]) -> None:
        self._cards.clear()
        if not cases:
            with parts.empty("Nothing is deployed", "A name that your application asks for, answered by a model."):
                if self._here.may("owner"):
                    parts.button("Deploy a model", self.ask, "main")
        for case in cases:
            self._cards[case.alias] = Card(self._around, case, self._served.get(case.alias, []))

    async def again(self) -> None:
        """Show what there is now."""
        here = self._here
        async with self._looking:  # one after the other, or an older look could come last
            now = await here.do(look, here.loop, self._after)
            self._served = await here.do(deployments.numbers, here.loop, now.cases)
            self._names.show(now.cases)
            for alias, card in self._cards.items():
                card.show(self._served[alias])
            self._lists.show(now)

    async def ask(self) -> None:
        """Ask what is to be deployed."""
        await self._here.allowed("owner")
        catalog = await self._here.do(self._here.loop.routes.catalog)
        names = [*catalog.aliases, *catalog.upstream]
        with self._around.place:
            await DeployDialog(self._here, callable_names(catalog), names, self.again).open()


def callable_names(catalog: Catalog) -> list[str]:
    """Every model that can be deployed, the newest tuned one first."""
    return [*catalog.tuned, *catalog.upstream, *catalog.base]


def _lists(here: Here, seen: Seen, after: int) -> None:
    with parts.tag("section", "stack"):
        parts.heading("Tuned models", "Small models that have learnt from your data, newest first.")
        if seen.tuned:
            with parts.card("stack"):
                headers = ("Model", "Data set", "Quality", "Answers as", "Size", "Made")
                tables.table(headers, [_tuned(one) for one in seen.tuned], label="Tuned models", numbers=(4,))
                if seen.count > _PAGE:
                    _pages(here, seen, after)
        else:
            with parts.empty(
                "No model is tuned yet", "A data set and a small model to learn it are all that it takes."
            ):
                parts.link("Tune one", "/tune", "main")
    with parts.tag("section", "stack"):
        parts.heading("Others", "Models to tune, and those of providers.")
        if seen.others:
            with parts.card("stack"):
                rows = [_other(one, seen) for one in seen.others]
                tables.table(("Model", "What it is", "Try it"), rows, label="Other models")
        else:
            parts.text("p", "None. Providers are named in settings.toml.", "dim")


def _pages(here: Here, seen: Seen, after: int) -> None:
    with parts.row("end"):
        if after:
            parts.link("Newer", here.url(after=str(max(0, after - _PAGE)) if after > _PAGE else None), "plain")
        if after + _PAGE < seen.count:
            parts.link("Older", here.url(after=str(after + _PAGE)), "plain")


def _tuned(one: Origin) -> list[Cell | str]:
    dataset = one.dataset
    names = ", ".join(f"{place.alias} ({'copies' if place.shadow else f'{place.share:g} %'})" for place in one.places)
    return [
        Cell(said=one.model.id, to=deployments.to_model(one.model.id), below=f"on {one.model.base}"),
        Cell(said=dataset.name, to=path(dataset.id)) if dataset else "-",
        quality(one),
        Cell(said=names, tone="good") if names else "-",
        size(one.bytes),
        tables.when(one.model.created_at),
    ]


def quality(one: Origin) -> Cell | str:
    """What its newest evaluation says."""
    if not one.judged:
        return "not compared yet"
    newest = one.judged[0]
    said = VERDICTS.get(newest.verdict or "", ("",))[0]
    return Cell(said=newest.quality, to=f"/compare/{newest.id}", below=f"verdict: {said}" if said else "")


def size(found: int | None) -> str:
    """Of files."""
    return "-" if found is None else f"{found / 1e6:,.1f} MB"


def _other(model: Model, seen: Seen) -> list[Cell | str]:
    kind = f"at {model.owned_by}"
    if model.kind == "base":
        kind = "on this machine" if model.id in seen.here else "brought when it is first asked"
    return [
        Cell(said=model.id, to=deployments.to_model(model.id)),
        kind,
        Cell(said="Chat", to=deployments.to_chat(model.id)),
    ]


PAGE = page("/models", "Models")(_models)
