"""Webhooks: who is told when something has ended, and whether it arrives."""

from __future__ import annotations

from functools import partial

from nicegui.elements.mixins.text_element import TextElement

from tuneloop.executors import deliveries
from tuneloop.settings import Webhook
from tuneloop.store import Store
from tuneloop.types import Delivery
from tuneloop.ui import parts, tables
from tuneloop.ui.here import Here
from tuneloop.ui.settings.things import outcome, say, thing, things
from tuneloop.ui.settings.upstreams import say_if_changed

_SAMPLE = """[[webhooks]]
url = "https://app.example/hook"         # told when a job, a batch or an eval run has ended
secret_env = "TUNELOOP_WEBHOOK_SECRET"   # the variable that holds the secret
events = ["fine_tuning.job.*"]           # all without it"""


async def show(here: Here) -> None:
    """Fill the part."""
    parts.heading("Webhooks", "Addresses that are told when a job, a batch or an eval has ended.")
    with parts.card():
        known = here.loop.settings.webhooks
        if not known:
            parts.text("p", "There is none yet.", "dim")
        with things("Webhooks"):
            for hook in known:
                _one(here, hook)
    rows = await here.do(_latest, here.loop.store)
    if rows:
        parts.heading("The latest deliveries")
        with parts.card():
            tables.table(("Ended", "Event", "Of", "Webhook", "Delivery"), rows, label="The latest deliveries")
    parts.heading("Another one", f"Write these lines into {here.loop.settings.settings_file}, and start again.")
    parts.code(_SAMPLE, label="the lines")
    await say_if_changed(here)


def _one(here: Here, hook: Webhook) -> None:
    with thing(hook.url, f"told of {', '.join(hook.events)}"):
        if here.may("owner"):
            button = parts.button("Test", label=f"Test {hook.url}")
    said = outcome()
    if here.may("owner"):
        button.on("click", partial(_test, here, hook, said))


async def _test(here: Here, hook: Webhook, said: TextElement) -> None:
    await here.allowed("owner")
    say(said, "sending ...", None)
    (attempt,) = await deliveries.try_out([hook])
    say(said, attempt.error or f"It arrived: {attempt.status}.", attempt.error is None)


def _latest(store: Store) -> list[list[tables.Cell | str]]:
    return [_row(store, one) for one in store.deliveries.page(limit=20)[0]]


def _row(store: Store, delivery: Delivery) -> list[tables.Cell | str]:
    told = store.announcements.get(delivery.announcement_id)
    if delivery.delivered_at:
        state = tables.Cell(said="arrived", tone="good")
    elif delivery.due_at is None:
        state = tables.Cell(said="given up", tone="bad", below=delivery.error or "")
    else:
        state = tables.Cell(said="on its way", tone="warn", below=delivery.error or "")
    return [tables.when(delivery.created_at), told.type, told.subject, delivery.url, state]
