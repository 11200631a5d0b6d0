"""tuneloop deploy, promote, rollback, deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened

if TYPE_CHECKING:
    from tuneloop.loop import Loop
    from tuneloop.types import Deployment

Alias = Annotated[str, typer.Argument(help="The name your application asks for.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    _deploying(app)
    _going_on(app)


def _deploying(app: typer.Typer) -> None:
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
        share: Annotated[
            float, typer.Option(min=0, max=100, help="Percent of the calls; what answers now keeps the rest.")
        ] = 100.0,
        shadow: Annotated[
            bool,
            typer.Option("--shadow", help="It gets copies of so many calls, and its answers are logged, not given."),
        ] = False,
    ) -> None:
        """Let a model answer under a name, or a part of the calls there. Calls to the name go there at once.

        Example: tuneloop deploy support ft:smollm2-135m-instruct:local:support:0123abcd --share 10
        """
        from tuneloop import comparing, deployments

        with opened() as loop:
            if evaluation is not None:
                deployments.check_verdict(loop.store.evaluations.get(evaluation), model)
            before = deployments.answering(loop.store, alias)
            told = comparing.told(loop, model, prompt)
            if share == 100.0 and not shadow:
                made = deployments.deploy(loop.store, alias, model, exists=loop.routes.exists, note=note, prompt=told)
            else:
                split = None if shadow else deployments.beside(loop.store, alias, model, share)
                copies = deployments.copies(before, model) | ({model: share} if share else {}) if shadow else None
                wanted = deployments.Wanted(split=split, shadow=copies, note=note)
                made = deployments.share(loop.store, alias, wanted, exists=loop.routes.exists, told=lambda _: told)
        _tell(made, before)


def _going_on(app: typer.Typer) -> None:
    @app.command()
    def promote(
        alias: Alias,
        model: Annotated[str | None, typer.Argument(help="Which, where several are on trial.")] = None,
    ) -> None:
        """Let the model that is on trial under a name answer all of its calls."""
        from tuneloop import deployments

        with opened() as loop:
            before = deployments.answering(loop.store, alias)
            made = deployments.promote(loop.store, alias, model)
        _tell(made, before)

    @app.command()
    def rollback(alias: Alias) -> None:
        """Let what answered under a name before the present deployment answer again."""
        from tuneloop import deployments

        with opened() as loop:
            made = deployments.rollback(loop.store, alias, exists=loop.routes.exists)
        say(f"[bold]{made.alias}[/] is [bold]{_answering(made)}[/] again")

    @app.command("deployments")
    def list_deployments(alias: Annotated[str | None, typer.Argument(help="Only this name.")] = None) -> None:
        """List what answers under which name, and what did before; newest first. Of a name also how its models do."""
        with opened() as loop:
            found = loop.store.deployments.history(alias) if alias else loop.store.deployments.all()
            live = {deployment.id for deployment in loop.store.deployments.current()}
            rows = [
                (
                    item.alias,
                    _answering(item),
                    item.prompt or "",
                    "live" if item.id in live else "",
                    moment(item.created_at),
                    item.note or "",
                )
                for item in found
            ]
            table(("name", "model", "prompt", "", "since (UTC)", "note"), rows)
            if alias and found:
                _traffic(loop, alias)


def _tell(made: Deployment, before: Deployment | None) -> None:
    told = f", told {made.prompt} in place of the callers' instructions" if made.prompt else ""
    copies = "".join(f"; {one['model']} gets copies of {one['share']:g} %" for one in made.shadow)
    was = f" (before: {_answering(before)}; back: tuneloop rollback {made.alias})" if before else ""
    say(f"[bold]{made.alias}[/] is now [bold]{_answering(made)}[/]{told}{copies}{was}")


def _answering(deployment: Deployment) -> str:
    """What answers: a model, or several with their shares."""
    if not deployment.shares:
        return deployment.model
    return " + ".join(f"{one['model']} {one['share']:g} %" for one in deployment.shares)


def _traffic(loop: Loop, alias: str) -> None:
    from tuneloop import deployments

    since = deployments.lately(loop.store, alias)
    rows = [
        (
            one.model,
            f"{one.share:g} %" + (" (copies)" if one.shadow else ""),
            str(one.calls),
            str(one.errors),
            "-" if one.p95_ms is None else f"{one.p95_ms:.0f} ms",
        )
        for one in deployments.served(loop.store, alias, since)
    ]
    say("")
    table(("model", "share", "calls", "errors", "p95"), rows, title=f"Since {moment(since)}")
