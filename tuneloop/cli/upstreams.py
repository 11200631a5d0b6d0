"""tuneloop upstreams: list, test."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from tuneloop.cli.console import say, table
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput, Unavailable


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Servers that calls are passed on to.")
    app.add_typer(group, name="upstreams")

    @group.command("list")
    def list_upstreams() -> None:
        """List the upstreams of settings.toml, and whether their keys are set."""
        from tuneloop.engines.trying import shown_url

        with opened() as loop:
            known, file = loop.settings.upstreams, loop.settings.settings_file
        if not known:
            say(escape(f"No upstreams yet: write [[upstreams]] into {file}"))
            return
        rows = []
        for one in known:
            key = (
                "none"
                if one.api_key_env is None
                else one.api_key_env
                if one.api_key()
                else f"{one.api_key_env} (not set)"
            )
            rows.append((one.name, shown_url(one), key, ", ".join(one.models)))
        table(("upstream", "URL", "key", "models"), rows)

    @group.command()
    def test(name: Annotated[str | None, typer.Argument(help="One of them; default: all.")] = None) -> None:
        """Ask each upstream for its models, or for one token.

        Example: tuneloop upstreams test openai
        """
        from tuneloop.engines.trying import try_upstream

        with opened() as loop:
            chosen = [one for one in loop.settings.upstreams if name in (None, one.name)]
        if not chosen:
            raise InvalidInput(f"settings.toml names no upstream{f' {name!r}' if name else ''}", param="name")
        failed = 0
        for one in chosen:
            tried = asyncio.run(try_upstream(one))
            failed += tried.error is not None
            listed = "" if tried.models is None else f", {len(tried.models):,} models"
            said = f"answers in {tried.latency_ms or 0:,.0f} ms{listed}"
            say(escape(f"{one.name}: {said if tried.error is None else f'{tried.error}. {tried.way_out}'}"))
        if failed:
            raise Unavailable(f"{failed} of {len(chosen)} upstreams did not answer as they should")
