"""tuneloop keys: list, create, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="API keys: what programs call with.")
    app.add_typer(group, name="keys")

    @group.command("list")
    def list_keys() -> None:
        """List the API keys, oldest first. The keys themselves are kept nowhere."""
        from tuneloop import keys

        with opened() as loop:
            found = keys.listed(loop.store, loop.settings.api_key)
        rows = [
            (key.id, key.name, key.hint, "-" if key.id == keys.PRESET else moment(key.created_at), moment(key.used_at))
            for key in found
        ]
        table(("id", "name", "key", "made (UTC)", "last used (UTC)"), rows)

    @group.command()
    def create(name: Annotated[str, typer.Argument(help="What it is for, such as the program that gets it.")]) -> None:
        """Make an API key, which is good at once, and shown only now.

        Example: tuneloop keys create shop
        """
        from tuneloop import keys

        with opened() as loop:
            made, secret = keys.create(loop.store, name)
        say(f"Your API key, shown only now: [bold green]{secret}[/]")
        say(f"Take it back: tuneloop keys delete {made.id}")

    @group.command()
    def delete(key: Annotated[str, typer.Argument(help="Its id, as `tuneloop keys list` has it.")]) -> None:
        """Take an API key back. Calls with it are refused at once, and browsers that came with it signed out."""
        from tuneloop import keys

        with opened() as loop:
            keys.delete(loop.store, key)
        say(f"{key} is good no longer")
