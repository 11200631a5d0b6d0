"""tuneloop serve, demo, settings, version."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from tuneloop import __version__
from tuneloop.cli.console import say, table
from tuneloop.cli.context import opened


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def demo(
        data: Annotated[Path | None, typer.Option(help="Your own log (JSON Lines) in place of the sample.")] = None,
        exit: Annotated[bool, typer.Option("--exit", help="End when done, instead of serving on.")] = False,
    ) -> None:
        """Run the whole loop once: log, score, data set, tune, compare, deploy.

        Example: tuneloop demo --data my_log.jsonl --exit
        """
        from tuneloop.cli.demo import run

        with opened() as loop:
            run(loop, data, stay=not exit)

    @app.command()
    def serve(
        host: Annotated[str | None, typer.Option(help="Address to listen on [TUNELOOP_HOST].")] = None,
        port: Annotated[int | None, typer.Option(help="Port to listen on [TUNELOOP_PORT].", min=0, max=65535)] = None,
    ) -> None:
        """Serve the gateway and the API, and run fine-tuning jobs.

        Example: tuneloop serve --port 8421
        """
        for name, value in (("HOST", host), ("PORT", port)):
            if value is not None:
                os.environ[f"TUNELOOP_{name}"] = str(value)
        from tuneloop.server import serve

        with opened() as loop:
            serve(loop, lambda url, key: _welcome(url, key, str(loop.settings.home), loop.page_secret))

    @app.command()
    def settings() -> None:
        """List the settings: environment variables, their values and what they mean."""
        from tuneloop.settings import SETTINGS

        rows = []
        for setting in SETTINGS:
            name = f"TUNELOOP_{setting.name.upper()}"
            value = os.environ.get(name)
            shown = "(set)" if value and setting.name == "api_key" else value or setting.default or "-"
            rows.append((name, shown, setting.help))
        table(("variable", "value", "meaning"), rows)
        with opened() as loop:
            say(f"\nUpstreams and prices: {loop.settings.settings_file}")

    @app.command()
    def version() -> None:
        """Print the version."""
        say(__version__)


def _welcome(url: str, key: str | None, home: str, secret: str) -> None:
    page = url.removesuffix("/v1")
    say(f"[bold]Tuneloop[/] {__version__} answers at [bold cyan]{url}[/]  (data in {home})")
    if key is not None:
        say(f"Your API key, shown only now: [bold green]{key}[/]")
    say(f"Its page, for your browser:   [bold cyan]{page}/?token={secret}[/]")
    say("\nPoint your application's OpenAI client here:\n")
    say(f'  client = OpenAI(base_url="{url}", api_key="{key or "YOUR_TUNELOOP_KEY"}")\n')
    say("Stop with Ctrl-C.")
