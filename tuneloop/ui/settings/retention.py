"""Old calls: how long they are kept, and deleting them by hand."""

from __future__ import annotations

from tuneloop import filters, retention
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here
from tuneloop.ui.tables import ago


async def show(here: Here) -> None:
    """Fill the part."""
    days = here.loop.settings.retention_days
    parts.heading(
        "Old calls",
        "Logs grow with every call. Those that were scored or are in a data set stay, unless you say otherwise.",
    )
    count, first, _ = await here.do(here.loop.store.logs.span, filters.All(()))
    with parts.grid():
        parts.figure("Kept", "for ever" if days is None else f"{days:,} days", "TUNELOOP_RETENTION_DAYS")
        parts.figure("Calls", f"{count:,}", "in the log" if first is None else f"the first {ago(first)}")
    if days is None:
        parts.text(
            "p",
            "Set TUNELOOP_RETENTION_DAYS where `tuneloop serve` starts: older calls go by themselves, a few at a time.",
            "dim",
        )
    if here.may("owner") and count:
        _by_hand(here)


def _by_hand(here: Here) -> None:
    async def look(do: bool) -> None:
        await here.allowed("owner")
        tree, before = filters.parse(where.value or ""), retention.moment(f"{int(age.value or 0)}d")
        spare = not everything.value
        said.set_text("counting ...")
        matching = await here.do(retention.count, here.loop.store, before, tree, spare=False)
        going = await here.do(retention.count, here.loop.store, before, tree, spare=spare)
        said.set_text(f"{going:,} of {matching:,} calls that match would go; {matching - going:,} stay.")
        if not do or not going:
            return
        why = f"{going:,} calls are deleted for good, with their scores. Rows of data sets stay."
        if await forms.sure(f"Delete {going:,} calls?", why, "Delete"):
            said.set_text("deleting ...")
            gone = await here.do(retention.prune, here.loop.store, before, tree, spare=spare)
            said.set_text(f"{gone:,} calls are deleted.")

    with parts.card():
        parts.heading("Delete by hand")
        with parts.tag("div", "by-hand"):
            age = forms.number("Older than, in days", 90, low=0, high=100_000)
            where = forms.line("Only those that match", hint="a filter, such as model ~ embedding")
        everything = forms.tick("Also scored ones, and those in data sets")
        with parts.row():
            parts.button("Count", lambda: look(False))
            parts.button("Delete", lambda: look(True), "danger", label="Delete old calls")
            said = parts.text("span", "", "dim").props('role="status"')
