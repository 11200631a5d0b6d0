"""tuneloop status."""

from __future__ import annotations

import typer
from rich.markup import escape

from tuneloop.cli.console import say, table
from tuneloop.cli.context import opened


def add(app: typer.Typer) -> None:
    """Put the command into the application."""

    @app.command()
    def status() -> None:
        """Say where the loop stands, and what to do next.

        Example: tuneloop status
        """
        from tuneloop import overview

        with opened() as loop:
            found = overview.look(loop)
            where = loop.server()
        rows = [
            ("calls", f"{found.calls:,}"),
            ("scored", f"{found.scored:,}"),
            ("data sets", str(found.datasets)),
            ("jobs", f"{found.jobs}, {found.unfinished} under way"),
            ("tuned models", str(found.models)),
            *((f"{alias} is", model) for alias, model in found.live.items()),
            ("saved", "-" if found.saved is None else f"${found.saved:,.2f}"),
            ("server", where or "not running: tuneloop serve"),
        ]
        table(("the loop", ""), rows)
        say(f"\n{escape(found.next.sentence)}")
        if found.next.command:
            say(f"  {escape(found.next.command)}")
