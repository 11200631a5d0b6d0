"""Letting models answer: the dialog in which one is deployed, and the one in which the calls are shared out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from tuneloop import comparing, deployments, origins, traffic
from tuneloop.deployments import Wanted
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.reports.numbers import at, word
from tuneloop.types import Deployment
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here

#: percent in one step of a slider
STEP = 5


def slider(label: str, value: float, change: Callable[[float], None], *, low: int = 0, high: int = 100) -> ui.element:
    """A share in percent, of the browser's own kind; `label` says of what."""
    with parts.tag("label", "share-slider") as made:
        with parts.row("between"):
            parts.text("span", label)
            shown = parts.text("strong", f"{value:g} %")
        bar = parts.tag("input").props(f'type="range" min="{low}" max="{high}" step="{STEP}" value="{value:g}"')

    def heard(said: str) -> None:
        shown.set_text(f"{float(said):g} %")
        change(float(said))

    bar.on("input", lambda event: heard(event.args), js_handler="(event) => emit(event.target.value)")
    return made


class DeployDialog:
    """A model, a name, and its share of the calls; by a verdict if that is wanted. `names` are offered."""

    def __init__(self, here: Here, models: list[str], names: list[str], changed: Callable[[], Awaitable[None]]) -> None:
        self._here = here
        self._changed = changed
        self._share = traffic.WHOLE
        self._evaluation: str | None = None
        wanted = here.query.get("deploy")
        known = list(dict.fromkeys(([wanted] if wanted in models else []) + models))
        with forms.Dialog("Deploy a model") as self._dialog:
            parts.text("p", "Your application asks for a name. What answers there can be changed at any time.", "dim")
            self._model = forms.choice(
                "Model", known, wanted if wanted in known else None, change=lambda _: self._judge()
            )
            self._alias = forms.line(
                "Name", here.query.get("as", ""), hint="what your application asks for; it may be that of another model"
            )
            self._alias.set_autocomplete(names)
            slider("Share of the calls", traffic.WHOLE, self._set_share, low=STEP)
            self._shadow = forms.tick("Copies only: its answers are logged, and given to nobody")
            self._verdict = parts.tag("div", "stack deploy-verdict")
            self._note = forms.line("Note", hint="why, for the history")
            with parts.row("end"):
                parts.button("Not now", self._dialog.close)
                parts.button("Deploy", self._deploy, "main")
        self._gate: ui.checkbox | None = None

    async def open(self) -> None:
        """Show it."""
        await self._judge()
        self._dialog.open()

    def _set_share(self, share: float) -> None:
        self._share = share

    async def _judge(self) -> None:
        """Show what evaluations say of the model, and offer to go by it."""
        model = self._model.value
        query = self._here.query
        named = query.get("evaluation") if model == query.get("deploy") else None
        said = await self._here.do(_said, self._here, model, named) if model else None
        self._verdict.clear()
        self._gate = None
        if said is None:
            return
        evaluation, sentence = said
        self._evaluation = evaluation
        with self._verdict:
            with parts.tag("p", "dim"):
                parts.text("span", f"{sentence} ")
                parts.link("The comparison", f"/compare/{evaluation}")
            self._gate = forms.tick("Only if its verdict is yes", True)

    async def _deploy(self) -> None:
        here, store = self._here, self._here.loop.store
        await here.allowed("owner")
        if not self._model.value:
            raise InvalidInput("choose a model")
        alias, model = self._alias.value.strip(), str(self._model.value)
        if self._gate is not None and self._gate.value and self._evaluation:
            deployments.check_verdict(await here.do(store.evaluations.get, self._evaluation), model)
        made = await here.do(self._put, alias, model)
        here.loop.routes.forget()
        here.remember(deploy=None, evaluation=None, **{"as": None})
        self._dialog.close()
        await self._changed()
        parts.tell(f"{made.alias} is deployed")

    def _put(self, alias: str, model: str) -> Deployment:
        loop, user, note = self._here.loop, self._here.session.name, self._note.value.strip() or None
        told = partial(comparing.told, loop, prompt=None)
        exists = loop.routes.exists
        if self._share == traffic.WHOLE and not self._shadow.value:
            return deployments.deploy(loop.store, alias, model, exists=exists, note=note, prompt=told(model), user=user)
        live = deployments.answering(loop.store, alias)
        if self._shadow.value:
            wanted = Wanted(shadow=deployments.copies(live, model) | {model: self._share}, note=note, user=user)
        else:
            wanted = Wanted(split=deployments.beside(loop.store, alias, model, self._share), note=note, user=user)
        return deployments.share(loop.store, alias, wanted, exists=exists, told=told)


def _said(here: Here, model: str, named: str | None) -> tuple[str, str] | None:
    """The evaluation that is about a model, and its sentence: the one that was named, else the newest."""
    store = here.loop.store
    try:
        found = [one.id for one in origins.of(store, model).judged if one.verdict] if named is None else [named]
        evaluation = store.evaluations.get(found[0]) if found else None
    except NotFound:
        return None
    if evaluation is None:
        return None
    return evaluation.id, word(at(evaluation.report, "verdict", "sentence"), "It has no verdict.")


class ShareDialog:
    """The calls to a name, shared out among what answers there and what gets copies."""

    def __init__(self, here: Here, live: Deployment, changed: Callable[[], Awaitable[None]]) -> None:
        self._here = here
        self._live = live
        self._changed = changed
        main, *others = traffic.shares(live)
        self._main = main["model"]
        self._parts = {one["model"]: float(one["share"]) for one in others}
        self._copies = {one["model"]: float(one["share"]) for one in live.shadow}
        with forms.Dialog(f"Share out {live.alias}") as self._dialog:
            parts.text("p", "The same user stays with the same model.", "dim")
            for model, share in self._parts.items():
                slider(model, share, partial(self._set, self._parts, model))
            for model, share in self._copies.items():
                slider(f"Copies for {model}", share, partial(self._set, self._copies, model))
            self._rest = parts.text("p", "", "share-rest")
            self._note = forms.line("Note", hint="why, for the history")
            with parts.row("end"):
                parts.button("Not now", self._dialog.close)
                parts.button("Share out", self._put, "main")
        self._show()

    def open(self) -> None:
        """Show it."""
        self._dialog.open()

    def _set(self, shares: dict[str, float], model: str, share: float) -> None:
        shares[model] = share
        self._show()

    def _show(self) -> None:
        rest = traffic.WHOLE - sum(self._parts.values())
        self._rest.set_text(f"{self._main} answers the rest: {rest:g} %" if rest >= 0 else "More than all of the calls")

    async def _put(self) -> None:
        here, loop = self._here, self._here.loop
        await here.allowed("owner")
        rest = traffic.WHOLE - sum(self._parts.values())
        wanted = Wanted(
            split={model: share for model, share in {self._main: rest, **self._parts}.items() if share},
            shadow={model: share for model, share in self._copies.items() if share},
            note=self._note.value.strip() or None,
            user=here.session.name,
        )
        told = partial(comparing.told, loop, prompt=None)
        await here.do(deployments.share, loop.store, self._live.alias, wanted, exists=loop.routes.exists, told=told)
        loop.routes.forget()
        self._dialog.close()
        await self._changed()
        parts.tell(f"The calls to {self._live.alias} are shared out")
