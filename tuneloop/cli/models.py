"""tuneloop models: list, pull, show, delete."""

from __future__ import annotations

from typing import Annotated

import typer

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Base models, tuned models and names at upstreams.")
    app.add_typer(group, name="models")
    _looking(group)
    _changing(group)


def _looking(group: typer.Typer) -> None:
    @group.command("list")
    def list_models() -> None:
        """List everything that can be called."""
        with opened() as loop:
            catalog, here = loop.routes.catalog(), {model.name for model in loop.model_store.list()}
        rows = [(name, f"alias of {target}", "", "") for name, target in sorted(catalog.aliases.items())]
        rows += [(m.id, "tuned", m.base, moment(m.created_at)) for m in catalog.tuned.values()]
        rows += [(m.id, "base" if m.id in here else "base, not pulled yet", "", "") for m in catalog.base.values()]
        rows += [(m.id, f"upstream {m.owned_by}", "", "") for m in catalog.upstream.values()]
        table(("model", "kind", "base", "created"), rows)

    @group.command()
    def show(
        name: Annotated[str, typer.Argument(help="A tuned model, ft:..., or a name under which one answers.")],
    ) -> None:
        """Show where a tuned model comes from, how good it was found to be, and where it answers."""
        from tuneloop import origins

        with opened() as loop:
            found = origins.of(loop.store, loop.routes.catalog().aliases.get(name, name))
        rows = [
            ("base", found.model.base),
            ("made", moment(found.model.created_at)),
            ("job", found.model.job_id or "-"),
            ("data set", f"{found.dataset.name} ({found.dataset.id})" if found.dataset else "-"),
            ("made of", found.dataset.origin if found.dataset else "-"),
            ("size", "-" if found.bytes is None else f"{found.bytes / 1e6:,.1f} MB"),
            *(("checkpoint", one.model) for one in found.checkpoints if one.model != found.model.id),
            *(("evaluation", f"{one.id}: {one.quality}, {one.verdict or 'no verdict'}") for one in found.judged),
            *(("copies from" if one.shadow else "answers as", f"{one.alias}, {one.share:g} %") for one in found.places),
        ]
        table((found.model.id, ""), rows)


def _changing(group: typer.Typer) -> None:
    @group.command()
    def pull(
        source: Annotated[str, typer.Argument(help="A known name, hf:organisation/name, or a local folder.")],
        name: Annotated[str | None, typer.Option(help="Call it this; default: the last part of the source.")] = None,
    ) -> None:
        """Bring a base model to this machine; goes on where an interrupted pull stopped.

        Example: tuneloop models pull smollm2-135m-instruct
        """
        from tuneloop.model_store import KNOWN_MODELS

        if known := KNOWN_MODELS.get(source.lower()):
            say(f"{known.description}; licence: {known.licence}")
        with opened() as loop:
            model = loop.model_store.pull(source, loop.progress, name=name)
            loop.store.deployments.touch()
        say(f"[bold]{model.name}[/] is here: {model.path} (licence: {model.licence})")

    @group.command()
    def delete(name: Annotated[str, typer.Argument(help="A tuned model, ft:...")]) -> None:
        """Delete a tuned model, its files and its checkpoints."""
        from tuneloop import models

        with opened() as loop:
            models.delete(loop.store, name, loop.routes.catalog())
        say(f"deleted {name}")
