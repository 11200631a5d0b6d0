"""tuneloop webhooks: list, test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.types import Delivery

if TYPE_CHECKING:
    from tuneloop.store import Store


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Addresses that are told when a job, a batch or an eval has ended.")
    app.add_typer(group, name="webhooks")

    @group.command("list")
    def list_webhooks() -> None:
        """List the webhooks of settings.toml, and the latest deliveries."""
        with opened() as loop:
            if not loop.settings.webhooks:
                say(f"No webhooks yet: write [[webhooks]] into {loop.settings.settings_file}")
            table(("webhook", "events"), [(hook.url, ", ".join(hook.events)) for hook in loop.settings.webhooks])
            if rows := [_row(loop.store, delivery) for delivery in loop.store.deliveries.page(limit=20)[0]]:
                table(("ended", "event", "id", "webhook", "delivery", "latest error"), rows)

    @group.command()
    def test(
        url: Annotated[str | None, typer.Argument(help="One of those in settings.toml; default: all.")] = None,
    ) -> None:
        """Send each webhook an event about a job that does not exist.

        Example: tuneloop webhooks test
        """
        from tuneloop.executors import deliveries

        with opened() as loop:
            hooks = [hook for hook in loop.settings.webhooks if url in (None, hook.url)]
        if not hooks:
            raise InvalidInput(f"settings.toml names no webhook{f' {url!r}' if url else ''}", param="url")
        failed = 0
        for hook, attempt in zip(hooks, asyncio.run(deliveries.try_out(hooks)), strict=True):
            failed += attempt.error is not None
            say(f"{hook.url}: {attempt.error or f'arrived (status {attempt.status})'}")
        if failed:
            raise Unavailable(f"{failed} of {len(hooks)} webhooks did not take the event")


def _row(store: Store, delivery: Delivery) -> tuple[str, ...]:
    told = store.announcements.get(delivery.announcement_id)
    state = "arrived" if delivery.delivered_at else "given up" if delivery.due_at is None else "on its way"
    return moment(delivery.created_at), told.type, told.subject, delivery.url, state, delivery.error or ""
