"""What answers under a name: its models with their shares, how they do, its history, and what can be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from nicegui import ui

from tuneloop import deployments
from tuneloop.deployments import Served
from tuneloop.errors import InvalidInput
from tuneloop.loop import Loop
from tuneloop.pages import text
from tuneloop.reports.numbers import milliseconds, percent
from tuneloop.types import Deployment
from tuneloop.ui import charts, deploy, forms, parts, tables
from tuneloop.ui.here import Here
from tuneloop.ui.tables import Cell

#: of a history, those that are shown
_NEWEST = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A name, what holds there, and what did."""

    alias: str
    #: newest first, the one that holds now among them
    history: list[Deployment]
    #: models that `promote` could mean
    trial: list[str]
    #: what rolling back leads to, in words; None where there is nothing to go back to
    back: str | None
    since: float = field(compare=False)

    @property
    def live(self) -> Deployment:
        """What holds now."""
        return self.history[0]


def look(loop: Loop, alias: str | None = None) -> list[Case]:
    """Every name under which something is deployed, or one of them, by name."""
    current = sorted(loop.store.deployments.current(), key=lambda one: one.alias)
    return [_case(loop, one) for one in current if alias is None or one.alias == alias]


def _case(loop: Loop, live: Deployment) -> Case:
    try:
        back = says(deployments.previous(loop.store, live.alias, exists=loop.routes.exists))
    except InvalidInput:
        back = None
    return Case(
        alias=live.alias,
        history=loop.store.deployments.history(live.alias),
        trial=[one["model"] for one in deployments.on_trial(loop.store, live)],
        back=back,
        since=deployments.lately(loop.store, live.alias),
    )


def numbers(loop: Loop, cases: list[Case]) -> dict[str, list[Served]]:
    """How the models of each name do, by name."""
    return {one.alias: deployments.served(loop.store, one.alias, one.since) for one in cases}


def says(deployment: Deployment) -> str:
    """What answers, in words."""
    if not deployment.shares:
        return deployment.model
    return " and ".join(f"{one['model']} ({one['share']:g}\u00a0%)" for one in deployment.shares)


def to_model(name: str) -> str:
    """The path of a model's page."""
    return f"/models/{quote(name, safe=':')}"


def to_chat(name: str) -> str:
    """The path of a chat with a model or alias."""
    return f"/models/chat?{urlencode({'model': name})}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What a card is in."""

    here: Here
    #: where dialogs are: not in what is drawn anew meanwhile
    place: ui.element
    #: called after something was done
    changed: Callable[[], Awaitable[None]]


class Card:
    """A name's card."""

    def __init__(self, around: Around, case: Case, served: list[Served]) -> None:
        self._around = around
        self._here = around.here
        self._case = case
        with parts.card("stack deployment").props(f'aria-label="{text(case.alias)}"'):
            with parts.row("between"):
                with parts.tag("div"):
                    parts.text("h2", case.alias)
                    with parts.tag("p", "dim"):
                        parts.text("span", "since ")
                        parts.text("span", tables.ago(case.live.created_at))
                        parts.text("span", f", told {case.live.prompt}" if case.live.prompt else "")
                with parts.row():
                    self._buttons()
            self._numbers = parts.live(self._table, served)
            _timeline(case)

    def show(self, served: list[Served]) -> None:
        """Show how it does now."""
        self._numbers.show(served)

    def _buttons(self) -> None:
        case, here = self._case, self._here
        parts.link("Chat", to_chat(case.alias), "plain")
        if not here.may("owner"):
            return
        if case.live.shares or case.live.shadow:
            parts.button("Share out", self._share, label=f"Share out the calls to {case.alias}")
        if case.back is not None:
            parts.button("Roll back", self._roll_back, label=f"Roll back {case.alias}")
        if len(case.trial) == 1:
            parts.button("Promote", self._promote, "main", label=f"Promote {case.trial[0]}")

    def _table(self, served: list[Served]) -> None:
        calls = sum(one.calls for one in served if not one.shadow)
        meant = [one for one in served if one.share and not one.shadow]
        if len(meant) > 1:
            with parts.tag("div", "shares").props('aria-hidden="true"'):
                for one, colour in zip(meant, charts.COLOURS, strict=False):
                    parts.tag("i").style(f"width: {one.share:.2f}%; background: {colour}")
        rows = [_row(self._case.alias, one, calls) for one in served]
        headers = ("Model", "Share", "Calls", "Of all", "Errors", "p95")
        tables.table(headers, rows, label=f"What answers as {self._case.alias}", numbers=(1, 2, 3, 4, 5))
        parts.text("p", "Calls since it was deployed, of the last day at most. p95: 95 of 100 are faster.", "dim note")

    def _share(self) -> None:
        with self._around.place:
            deploy.ShareDialog(self._here, self._case.live, self._around.changed).open()

    async def _promote(self) -> None:
        case, here = self._case, self._here
        model = case.trial[0]
        why = f"{model} answers every call, from the next one on."
        with self._around.place:
            if await forms.sure(f"Promote {case.alias}?", why, "Promote", danger=False):
                await here.allowed("owner")
                await here.do(deployments.promote, here.loop.store, case.alias, model, user=here.session.name)
                await self._done(f"{case.alias} is now {model}")

    async def _roll_back(self) -> None:
        alias, here = self._case.alias, self._here
        why = f"{self._case.back} answers again, from the next call on."
        with self._around.place:
            if await forms.sure(f"Roll back {alias}?", why, "Roll back"):
                await here.allowed("owner")
                exists, user = here.loop.routes.exists, here.session.name
                made = await here.do(deployments.rollback, here.loop.store, alias, exists=exists, user=user)
                await self._done(f"{alias} is {says(made)} again")

    async def _done(self, said: str) -> None:
        self._here.loop.routes.forget()
        await self._around.changed()
        parts.tell(said)


def _row(alias: str, one: Served, calls: int) -> list[Cell | str]:
    share = f"{one.share:g} %" if one.share else "-"
    where = f"model = '{alias}' and served_by = '{one.model}' and source {'=' if one.shadow else '!='} shadow"
    errors = Cell(
        said=f"{one.errors:,} ({percent(one.errors / max(one.calls, 1))})", tone="bad" if one.errors else None
    )
    return [
        Cell(said=one.model, to=to_model(one.model), below="gets copies" if one.shadow else ""),
        Cell(said=share, below="" if one.share else "before"),
        Cell(said=f"{one.calls:,}", to=f"/logs?{urlencode({'where': where})}") if one.calls else "0",
        percent(one.calls / calls) if calls and not one.shadow else "-",
        errors if one.calls else "-",
        milliseconds(one.p95_ms),
    ]


def _timeline(case: Case) -> None:
    with parts.tag("details", "history"):
        parts.text("summary", f"History ({len(case.history)})")
        with parts.tag("ol"):
            for one in case.history[:_NEWEST]:
                with parts.tag("li"):
                    parts.text("span", tables.ago(one.created_at), "dim when")
                    with parts.tag("div"):
                        parts.text("span", says(one))
                        for shadow in one.shadow:
                            parts.text("span", f"; {shadow['model']} gets copies of {shadow['share']:g}\u00a0%", "dim")
                        if said := ", ".join(filter(None, (one.note, f"by {one.user}" if one.user else None))):
                            parts.text("small", said, "dim")
        if len(case.history) > _NEWEST:
            parts.text("p", f"and {len(case.history) - _NEWEST} before", "dim")
