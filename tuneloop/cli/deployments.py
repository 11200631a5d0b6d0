"""tuneloop deploy, rollback, deployments."""

from __future__ import annotations

from typing import Annotated

import typer

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened

Alias = Annotated[str, typer.Argument(help="The name your application asks for.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def deploy(
        alias: Alias,
        model: Annotated[str, typer.Argument(help="The model that answers from now on.")],
        note: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
        evaluation: Annotated[
            str | None, typer.Option(help="Only if the verdict of this evaluation is yes, for this model.")
        ] = None,
        prompt: Annotated[
            str | None,
            typer.Option(
                help="A Prompt that takes the place of the callers' instructions; default: the one that the model was "
                "tuned with, if any; '' for none."
            ),
        ] = None,
    ) -> None:
        """Let a model answer under a name. Calls to the name go there at once.

        Example: tuneloop deploy support ft:smollm2-135m-instruct:local:support:0123abcd
        """
        from tuneloop import comparing, deployments

        with opened() as loop:
            if evaluation is not None:
                deployments.check_verdict(loop.store.evaluations.get(evaluation), model)
            before = loop.store.deployments.live().get(alias)
            told = comparing.told(loop, model, prompt)
            made = deployments.deploy(loop.store, alias, model, exists=loop.routes.exists, note=note, prompt=told)
        was = f" (before: {before}; back: tuneloop rollback {alias})" if before else ""
        told = f", told {made.prompt} in place of the callers' instructions" if made.prompt else ""
        say(f"[bold]{made.alias}[/] is now [bold]{made.model}[/]{told}{was}")

    @app.command()
    def rollback(alias: Alias) -> None:
        """Let the model before the present one answer under a name again."""
        from tuneloop import deployments

        with opened() as loop:
            made = deployments.rollback(loop.store, alias)
        say(f"[bold]{made.alias}[/] is [bold]{made.model}[/] again")

    @app.command("deployments")
    def list_deployments(alias: Annotated[str | None, typer.Argument(help="Only this name.")] = None) -> None:
        """List what answers under which name, and what did before; newest first."""
        with opened() as loop:
            found = loop.store.deployments.history(alias) if alias else loop.store.deployments.all()
            live = loop.store.deployments.live()
        rows, seen = [], set[str]()
        for item in found:
            state = "live" if item.alias not in seen and live.get(item.alias) == item.model else ""
            seen.add(item.alias)
            rows.append((item.alias, item.model, item.prompt or "", state, moment(item.created_at), item.note or ""))
        table(("name", "model", "prompt", "", "since (UTC)", "note"), rows)
