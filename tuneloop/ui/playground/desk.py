"""What lies on the playground's desk: the sheet that one window shows, kept as it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from nicegui import ui

from tuneloop import comparing
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.playground import sheets
from tuneloop.playground.sheets import Setup, Sheet
from tuneloop.store.database import clean
from tuneloop.store.ids import is_timed, new_id
from tuneloop.types import SPLITS, Split
from tuneloop.ui import parts
from tuneloop.ui.here import Here

#: the names of the sides in the URL: "gpt-4o", "support@2", or both with a + between them
SIDES = ("a", "b")


class Desk:
    """The sheet of one window. `watch` is told of each change."""

    def __init__(self, here: Here, sheet: Sheet) -> None:
        self.here = here
        self.sheet = sheet
        self._kept = sheet
        self._id = _sheet_id(here)
        self._watching: list[Callable[[], None]] = []
        self._links: list[tuple[ui.link, dict[str, str | None]]] = []

    def watch(self, told: Callable[[], None]) -> None:
        """Have something done after each change."""
        self._watching.append(told)

    def link(self, said: str, **query: str | None) -> None:
        """A link to this sheet with another question on it."""
        self._links.append((parts.link(said, self.here.url(**query)), query))

    def change(self, **fields: Any) -> None:
        """Put something else on the sheet."""
        self.sheet = replace(self.sheet, **fields)
        for told in self._watching:
            told()

    def change_side(self, place: int, **fields: Any) -> None:
        """Put something else on one side."""
        self.change(sides=sheets.with_side(self.sheet, place, **fields).sides)

    def change_draft(self, place: int, **fields: Any) -> None:
        """Put something else into what one side is told."""
        self.change_side(place, draft=replace(self.sheet.sides[place].draft, **fields))

    async def keep(self) -> None:
        """Write the sheet down if it has changed, so that it is here again after a reload."""
        sheet = self.sheet
        if sheet == self._kept or not self.here.may("owner"):
            return
        self._kept = sheet
        self._id = self._id or new_id("sheet_")
        table = self.here.loop.store.people.sheets
        await self.here.do(table.keep, self._id, owner(self.here), sheets.write(sheet))
        names = [_named(side) for side in sheet.sides]
        self.here.remember(sheet=self._id, a=names[0], b=names[1], one="" if sheet.both else "1")
        for link, query in self._links:
            link.props["href"] = self.here.url(**query)


def owner(here: Here) -> str:
    """Whose sheets somebody sees again."""
    return here.session.person_id or ""


def opened(here: Here) -> Sheet:
    """The sheet that the URL asks for, else the last one. Raises NotFound and InvalidInput."""
    store, query = here.loop.store, here.query
    asked = _sheet_id(here)
    kept = store.people.sheets.find(asked) if asked else store.people.sheets.latest(owner(here)) if not query else None
    sheet = _read(kept)
    for place, name in enumerate(SIDES):
        if name in query and query[name] != _named(sheet.sides[place]):
            sheet = sheets.with_side(sheet, place, **_side(here, query[name]))
    if "one" in query:
        sheet = replace(sheet, both=not query["one"])
    if "log" in query and sheet.source != f"log:{query['log']}":
        sheet = sheets.with_log(sheet, store.logs.get(clean(query["log"])))
    if "dataset" in query:
        sheet = _with_row(here, sheet, query["dataset"])
    return _with_models(here, sheet)


def row(here: Here) -> tuple[Split, int, int]:
    """The split, the number in it and how many there are, of the data set's row that the URL names."""
    counts = here.loop.store.datasets.named(here.query["dataset"]).counts
    wanted = here.query.get("split")
    split: Split = next(
        (one for one in SPLITS if one == wanted),
        next((one for one in ("validation", "test", "train") if counts.get(one)), "train"),
    )
    number = here.query.get("row", "0")
    return split, int(number) if number.isdecimal() and len(number) < 10 else 0, counts.get(split, 0)


def model_names(here: Here) -> list[str]:
    """What can be asked: aliases, then tuned, upstreams' and base models."""
    catalog = here.loop.routes.catalog()
    found = [*sorted(catalog.aliases), *catalog.tuned, *sorted(catalog.upstream), *catalog.base]
    return list(dict.fromkeys(found))


def _sheet_id(here: Here) -> str | None:
    asked = here.query.get("sheet", "")
    return asked if is_timed(asked) else None


def _read(content: Mapping[str, Any] | None) -> Sheet:
    try:
        return Sheet() if content is None else sheets.read(content)
    except InvalidInput:
        return Sheet()


def _named(side: Setup) -> str:
    return comparing.PLUS.join(part for part in (side.model, side.loaded) if part)


def _side(here: Here, text: str) -> dict[str, Any]:
    """Read "gpt-4o", "support@2" or "gpt-4o+support@2"."""
    model, _, loaded = text.rpartition(comparing.PLUS)
    if not model and _is_prompt(here, text):
        model, loaded = "", text
    elif not model:
        model, loaded = text, ""
    draft = sheets.load(here.loop.store, loaded)
    return {"model": model or draft.model or "", "loaded": loaded, "draft": draft, "answer": None}


def _is_prompt(here: Here, text: str) -> bool:
    if text.startswith(sheets.STARTER):
        return True
    try:
        here.loop.routes.route(text)
    except NotFound:
        try:
            sheets.load(here.loop.store, text)
        except (NotFound, InvalidInput):
            return "@" in text  # which no model is called: the page says that there is no such version
        return True
    return False


def _with_row(here: Here, sheet: Sheet, name: str) -> Sheet:
    split, number, _ = row(here)
    source = f"{name} {split}"
    if sheet.source == f"dataset:{source}:{number}":
        return sheet
    rows = here.loop.store.datasets.rows(here.loop.store.datasets.named(name).id, split)
    found = next(islice(rows, number, None), None)
    if found is None:
        raise NotFound(f"the data set {name!r} has no row {number} in {split}", param="row")
    return sheets.with_row(sheet, source, number, found)


def _with_models(here: Here, sheet: Sheet) -> Sheet:
    """Sides without a model get one: what an application calls, and what was tuned last, where there is such."""
    if all(side.model for side in sheet.sides):
        return sheet
    catalog = here.loop.routes.catalog()
    base = here.loop.settings.base_model
    usual = [*sorted(catalog.aliases), *sorted(catalog.upstream), base]
    tuned = max(catalog.tuned.values(), key=lambda model: model.created_at, default=None)
    for place, name in enumerate((usual[0], tuned.id if tuned else base)):
        if not sheet.sides[place].model:
            sheet = sheets.with_side(sheet, place, model=name)
    return sheet
