"""tuneloop logs prune."""

from __future__ import annotations

from typing import Annotated

import typer

from tuneloop.cli.console import moment, say, stderr
from tuneloop.cli.context import opened


def add(group: typer.Typer) -> None:
    """Put the command into its group."""

    @group.command()
    def prune(
        before: Annotated[str, typer.Option(help="90d (h, d, w: so long ago), or a day: 2026-08-31.")],
        where: Annotated[str, typer.Option(help="Only those that match a filter.")] = "",
        all: Annotated[bool, typer.Option("--all", help="Also scored ones and those in data sets.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    ) -> None:
        """Delete old calls. Scored ones and those in data sets stay; rows of data sets stay in any case.

        With TUNELOOP_RETENTION_DAYS the server does so by itself.

        Example: tuneloop logs prune --before 90d --where "model ~ embedding" --dry-run
        """
        from tuneloop import filters, retention

        tree, moment_before = filters.parse(where), retention.moment(before)
        with opened() as loop, stderr.status("deleting ...") as status:
            store = loop.store
            total = retention.count(store, moment_before, tree, spare=False)
            if dry_run:
                gone = retention.count(store, moment_before, tree, spare=not all)
            else:
                gone = retention.prune(
                    store,
                    moment_before,
                    tree,
                    spare=not all,
                    tell=lambda so_far: status.update(f"deleting ... {so_far:,} logs"),
                )
        would = "would be deleted" if dry_run else "deleted"
        stay = f"; {total - gone:,} are scored or in data sets, and stay" if total > gone else ""
        say(f"{gone:,} logs from before {moment(moment_before)} UTC {would}{stay}")
