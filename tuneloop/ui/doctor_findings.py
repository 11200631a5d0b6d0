"""What the doctor found: whether the task is one for tuning, what becomes of the rows, each kind of finding with its
fix."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from tuneloop import doctor
from tuneloop.checks.examination import Ranked
from tuneloop.checks.kinds import KINDS
from tuneloop.types import Dataset
from tuneloop.ui import doctor_cases as cases
from tuneloop.ui import forms, parts
from tuneloop.ui.datasets_words import newest, path
from tuneloop.ui.doctor_cases import Shown
from tuneloop.ui.doctor_rows import Changes
from tuneloop.ui.here import Here

_TONES: dict[str, parts.Tone] = {"error": "bad", "warning": "warn", "advice": "accent"}
_OUTCOMES = {"kept": "unchanged", "fixed": "mended", "dropped": "left out"}


class Findings:
    """A data set that is examined, on its page. The chosen fixes, and what is unfolded, are in the URL."""

    def __init__(self, here: Here, dataset: Dataset) -> None:
        self._here = here
        self._dataset = dataset
        self._open: Changes | None = None

    async def show(self) -> None:
        """Draw all."""
        found = await self._report()
        self._task(found)
        with parts.card("stack fate"):
            self._outcome = parts.live(self._numbers, cases.shown(found))
            self._actions(found)
        kinds = cases.ranked(found)
        with parts.card("stack findings"):
            if kinds:
                parts.heading("What was found", "The most harmful first.")
            else:
                parts.heading("Nothing was found", "Nothing speaks against training on it.")
            for kind in kinds:
                await self._kind(kind, found)

    async def _report(self, only: str | None = None) -> doctor.Report:
        fixes = self._here.query.get("fixes", "")
        return await self._here.do(cases.report, self._here.loop, self._dataset, fixes, only=only)

    def _task(self, found: doctor.Report) -> None:
        """Whether this is a task for tuning at all."""
        about = cases.about_task(found)
        with parts.card(f"stack suits {about.code if about else ''}"):
            if about is None:
                parts.heading("Is it a task for tuning?", "There are too few rows of one kind to tell.")
                return
            kind = KINDS[about.code]
            parts.text("h2", kind.title)
            parts.text("p", f"{about.message[:1].upper()}{about.message[1:]}.")
            parts.text("p", kind.why, "dim")

    def _numbers(self, shown: Shown) -> None:
        counts = shown.counts
        if counts["kept"] == counts["rows"]:
            parts.text("h2", f"All {counts['rows']:,} rows stay as they are")
        else:
            parts.text("h2", f"{counts['rows'] - counts['dropped']:,} of {counts['rows']:,} rows stay")
        with parts.tag("div", "parts-of-all").props('aria-hidden="true"'):
            for outcome in _OUTCOMES:
                if counts[outcome]:
                    parts.tag("i", f"is-{outcome}").style(f"flex: {counts[outcome]}")
        with parts.tag("ul", "outcomes"):
            for outcome, said in _OUTCOMES.items():
                with parts.tag("li"):
                    parts.tag("i", f"is-{outcome}")
                    parts.text("b", f"{counts[outcome]:,}")
                    parts.text("span", said)
        for line in shown.costs:
            parts.text("p", f"{line[:1].upper()}{line[1:]}.", "dim")
        if not shown.suggested:
            with parts.tag("p"):
                parts.text("span", "These are fixes that were chosen here. ", "dim")
                parts.link("Take the suggested ones", path(self._here.names["name"], "doctor"))

    def _actions(self, found: doctor.Report) -> None:
        with parts.row():
            if self._here.may("owner") and any(cases.offered(kind, found) for kind in cases.ranked(found)):
                parts.button("Make a clean data set", lambda: self._make(None), "main")
            elif not cases.ranked(found):
                parts.link("Tune on it", f"/tune?dataset={self._dataset.id}", "main")
            self._report_link = parts.link("Report", self._report_url()).classes("button plain")
            self._report_link.props('target="_blank"')

    def _report_url(self) -> str:
        fixes = self._here.query.get("fixes", "")
        return path(self._dataset.id, "doctor", "report", **({"fixes": fixes} if fixes else {}))

    async def _kind(self, kind: Ranked, found: doctor.Report) -> None:
        offered = cases.offered(kind, found)
        changes: Changes
        with parts.tag("article", "finding").props(f'id="{kind.code}"'):
            with parts.tag("div", "what"):
                with parts.row():
                    parts.badge(kind.severity, _TONES[kind.severity])
                    parts.text("h3", kind.title)
                    parts.text("span", _rows(kind), "dim")
                parts.text("p", kind.why, "dim")
                if not kind.rows:
                    _messages(kind.messages)
            if not kind.rows:
                return
            with parts.tag("div", "fix"):
                if offered:
                    self._fixes(kind, offered, cases.chosen(kind, found))
                button = parts.button("Rows", lambda: self._unfold(kind, changes), label=f"Rows with: {kind.title}")
                button.props["aria-controls"] = f"rows-of-{kind.code}"
            changes = Changes(self._here, self._dataset, kind, button=button, only=self._make if offered else None)
        if self._here.query.get("open") == kind.code:
            await self._unfold(kind, changes)

    def _fixes(self, kind: Ranked, offered: Sequence[str], chosen: str) -> None:
        words = {fix: cases.FIX_WORDS[fix] + (" (suggested)" if fix == offered[0] else "") for fix in offered}
        forms.choice("Fix", words, chosen, change=lambda fix: self._choose(kind.code, fix, offered[0])).props[
            "aria-label"
        ] = f"Fix of: {kind.title}"

    async def _choose(self, code: str, fix: str, suggested: str) -> None:
        fixes = cases.choose(self._here.query.get("fixes", ""), code, fix, suggested)
        self._here.remember(fixes=fixes)
        self._outcome.show(cases.shown(await self._report()))
        self._report_link.props["href"] = self._report_url()
        if self._open is not None:
            await self._open.show()

    async def _unfold(self, kind: Ranked, changes: Changes) -> None:
        """Show the rows of one kind; those of another are folded."""
        if self._open is not None:
            self._open.hide()
        if self._open is changes:
            self._open = None
            self._here.remember(open=None)
            return
        self._open = changes
        self._here.remember(open=kind.code)
        await changes.show()

    async def _make(self, only: str | None) -> None:
        """Ask for a name, then make a data set of the rows that stay."""
        counts = (await self._report(only)).counts()
        dialog = forms.Dialog("Make a clean data set" if only is None else f"Fix only: {KINDS[only].title}")
        with dialog:
            stays = counts["rows"] - counts["dropped"]
            said = f"{stays:,} of {counts['rows']:,} rows stay, {counts['fixed']:,} of them mended."
            parts.text("p", f"{said} This data set is kept as it is.", "dim")
            name = forms.line("Name", self._dataset.name, hint="Under the same name it is its new version")
            with parts.row("end"):
                parts.button("Not now", dialog.close)
                button: ui.element
                button = parts.button("Make it", lambda: self._write(only, name.value or "", dialog, button), "main")
        dialog.open()

    async def _write(self, only: str | None, name: str, dialog: forms.Dialog, button: ui.element) -> None:
        await self._here.allowed("owner")
        button.props("disabled")  # it takes a while, and once is enough
        try:
            report = await self._report(only)
            made = await self._here.do(doctor.make_dataset, self._here.loop, report, name.strip())
        finally:
            button.props(remove="disabled")
        dialog.close()
        if made.id == self._dataset.id:
            parts.tell("Nothing was changed by these fixes: it is the same data set.")
            return
        ui.navigate.to(await self._here.do(newest, self._here.loop.store, made))


def _rows(kind: Ranked) -> str:
    if not kind.rows:
        return "all rows together"
    return "1 row" if kind.rows == 1 else f"{kind.rows:,} rows"


def _messages(messages: Sequence[str]) -> None:
    with parts.tag("ul", "messages"):
        for message in messages:
            parts.text("li", f"{message[:1].upper()}{message[1:]}")
