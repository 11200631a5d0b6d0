"""One side of the playground: which model, what it is told, and its answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
from nicegui import ui

from tuneloop import calls
from tuneloop.errors import InvalidInput
from tuneloop.playground import sheets
from tuneloop.prompts import drafts, starters
from tuneloop.store import Store
from tuneloop.types import Json
from tuneloop.ui import forms, parts
from tuneloop.ui.parts import Click
from tuneloop.ui.playground.answers import AnswerPlace
from tuneloop.ui.playground.desk import Desk
from tuneloop.ui.playground.saving import Saving
from tuneloop.ui.playground.turns import Turns

#: most prompts in the list, and versions of each
_PROMPTS, _VERSIONS = 50, 20
#: parameters with a field of their own: label, lowest, highest
_NUMBERS: Mapping[str, tuple[str, float, float]] = {
    "temperature": ("Temperature", 0, 2),
    "max_tokens": ("Most tokens", 1, 1_000_000),
    "top_p": ("Top p", 0, 1),
}
_FORMS = {"": "Text", "json_object": "JSON"}


class SideCard:
    """One side. `options` are the models, `prompts` the versions and starters that can be laid out."""

    def __init__(self, desk: Desk, place: int, models: list[str], known: Mapping[str, str], again: Click) -> None:
        self._desk = desk
        self._place = place
        self._name = ("first", "second")[place]
        with parts.card("stack side").props(f'aria-label="The {self._name} side"') as self.card:
            with parts.tag("div", "chosen"):
                _model_field(models, desk.sheet.sides[place].model, self._choose_model)
                self._prompts = forms.choice("Prompt", known, self._loaded(known), change=self._load)
            with parts.tag("details", "setup").props("open"):
                with parts.tag("summary"):
                    parts.text("span", "What it is told")
                self._note = parts.text("p", "", "dim")
                self._turns = Turns(
                    desk.sheet.sides[place].draft.messages,
                    lambda messages: desk.change_draft(place, messages=messages),
                    adds=("system", "user", "assistant"),
                    whose=f"of the {self._name} side",
                )
            self._parameters = Parameters(desk, place)
            self.answer = AnswerPlace(desk, place, again)
            if desk.here.may("owner"):
                with parts.row("end"):
                    parts.button(
                        "Save as a prompt", self._save, "quiet", label=f"Save the {self._name} side as a prompt"
                    )
        self._saving: Saving | None = None
        desk.watch(self._tell)
        self._tell()

    def _loaded(self, known: Mapping[str, str]) -> str:
        loaded = self._desk.sheet.sides[self._place].loaded
        return loaded if loaded in known else ""

    def _choose_model(self, name: str | None) -> None:
        self._desk.change_side(self._place, model=(name or "").strip())

    async def _load(self, named: str | None) -> None:
        side = self._desk.sheet.sides[self._place]
        if (named or "") == side.loaded:
            return
        draft = await self._desk.here.do(sheets.load, self._desk.here.loop.store, named or "")
        self._desk.change_side(self._place, loaded=named or "", draft=draft)
        self._turns.show(draft.messages)
        self._parameters.show()

    async def _save(self) -> None:
        await self._desk.here.allowed("owner")
        self._saving = self._saving or Saving(self._desk, self._place, self._saved)
        await self._saving.open()

    async def _saved(self, reference: str) -> None:
        known = await self._desk.here.do(prompt_names, self._desk.here.loop.store)
        self._prompts.set_options(known, value=reference)

    def _tell(self) -> None:
        draft = self._desk.sheet.sides[self._place].draft
        said = "" if draft.messages else "Nothing but the question. Add instructions, or choose a prompt."
        if draft.tools:
            said += f" It brings {len(draft.tools)} tools."
        self._note.set_text(said.strip())
        self._note.set_visibility(bool(said))


class Parameters:
    """The fields for a side's parameters, folded away."""

    def __init__(self, desk: Desk, place: int) -> None:
        self._desk = desk
        self._place = place
        with parts.tag("details", "setup"):
            with parts.tag("summary"):
                parts.text("span", "Parameters")
                self._said = parts.text("span", "", "dim")
            self._fields = parts.tag("div", "parameters")
        self.show()
        desk.watch(self._tell)
        self._tell()

    def show(self) -> None:
        """What the side has now."""
        draft = self._desk.sheet.sides[self._place].draft
        self._fields.clear()
        with self._fields:
            for name, (label, low, high) in _NUMBERS.items():
                forms.number(label, draft.parameters.get(name), low=low, high=high, change=partial(self._set_one, name))
            kind = str((draft.response_format or {}).get("type", ""))
            options = _FORMS if kind in _FORMS else {**_FORMS, kind: "JSON of a schema"}
            forms.choice("Form of the answer", options, kind, change=self._set_form)
            rest = {name: value for name, value in draft.parameters.items() if name not in _NUMBERS}
            more = forms.area("More, as JSON", orjson.dumps(rest).decode() if rest else "", change=self._set_more)
            more.validation = {
                'Write JSON, such as {"seed": 1}': lambda text: not text or _parameters(text) is not None
            }
            more.classes("whole")

    def _set_one(self, name: str, given: float | None) -> None:
        whole = int(given) if given is not None and given == int(given) else given
        merged = {**self._desk.sheet.sides[self._place].draft.parameters, name: whole}
        self._desk.change_draft(self._place, parameters={n: v for n, v in merged.items() if v is not None})

    def _set_form(self, kind: str) -> None:
        if kind in _FORMS:
            self._desk.change_draft(self._place, response_format={"type": kind} if kind else None)

    def _set_more(self, text: str) -> None:
        more = _parameters(text) if text else {}
        if more is None:
            return
        known = self._desk.sheet.sides[self._place].draft.parameters
        numbers = {name: value for name, value in known.items() if name in _NUMBERS}
        self._desk.change_draft(self._place, parameters={**numbers, **more})

    def _tell(self) -> None:
        draft = self._desk.sheet.sides[self._place].draft
        said = [f"{_NUMBERS[n][0].lower() if n in _NUMBERS else n} {v}" for n, v in draft.parameters.items()]
        said += ["JSON"] if draft.response_format else []
        self._said.set_text(", ".join(said))


def prompt_names(store: Store) -> dict[str, str]:
    """What can be laid out, and what it is called: no prompt, versions, starters."""
    found = {"": "None"}
    for newest in store.prompts.newest(limit=_PROMPTS)[0]:
        versions, _ = store.prompts.history(newest.name, limit=_VERSIONS)
        found |= {one.reference: f"{one.reference}{f' · {one.note}' if one.note else ''}" for one in versions}
    for name in starters.names():
        found[f"{sheets.STARTER}{name}"] = f"Starter: {name}"
        found[f"{sheets.STARTER}{name}:short"] = f"Starter: {name}, short"
    return found


def _model_field(models: list[str], value: str, change: Any) -> None:
    """A model by its name: one of the list, or any other, which an upstream may know."""
    options = [*models, value] if value and value not in models else models
    made = ui.select(
        options,
        label="Model",
        value=value or None,
        with_input=True,
        new_value_mode="add-unique",
        on_change=lambda event: change(event.value),
    )
    made.props('outlined dense stack-label options-dense popup-content-class="choices"')


def _parameters(text: str) -> dict[str, Json] | None:
    """The parameters in a text; None where it has none."""
    try:
        found = calls.parse(text.encode())
        return drafts.parameters(found) if isinstance(found, dict) else None
    except InvalidInput:
        return None
