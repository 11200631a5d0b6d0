"""tuneloop tune and tuneloop jobs."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.cli.console import moment, say, table, warn
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput
from tuneloop.types import FINAL_STATUSES

if TYPE_CHECKING:
    from tuneloop.loop import Loop


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def tune(
        dataset: Annotated[str, typer.Argument(help="Name or id of the data set.")],
        model: Annotated[str | None, typer.Option(help="Model to tune [TUNELOOP_BASE_MODEL].")] = None,
        suffix: Annotated[
            str | None, typer.Option(help="Part of the tuned model's name; default: the data set's.")
        ] = None,
        epochs: Annotated[str, typer.Option(help="Times through the data: 1 to 50, or auto.")] = "auto",
        batch_size: Annotated[str, typer.Option(help="Examples in a step: 1 to 256, or auto.")] = "auto",
        learning_rate_multiplier: Annotated[str, typer.Option(help="Factor on the learning rate, or auto.")] = "auto",
        seed: Annotated[int | None, typer.Option(help="The same seed gives the same model.")] = None,
        detach: Annotated[bool, typer.Option("--detach", help="Leave the job to the running server.")] = False,
    ) -> None:
        """Fine-tune a small model on a data set, and watch it learn. Ctrl-C leaves the job to go on later.

        Example: tuneloop tune support --suffix support-v1
        """
        from tuneloop import datasets, tuning

        hyperparameters = {
            "n_epochs": _number("--epochs", epochs),
            "batch_size": _number("--batch-size", batch_size),
            "learning_rate_multiplier": _number("--learning-rate-multiplier", learning_rate_multiplier),
        }
        with opened() as loop:
            found = loop.store.datasets.named(dataset)
            job = tuning.create(
                loop,
                found,
                model=model,
                suffix=suffix,
                seed=seed,
                hyperparameters=hyperparameters,
            )
            for text in datasets.warnings(found):
                warn(text)
            if detach:
                loop.enqueue(job.id)
                where = "the server runs it" if loop.server() else "it runs when `tuneloop serve` does"
                say(f"{job.id} is lined up; {where}")
                return
            _follow(loop, job.id)

    group = typer.Typer(no_args_is_help=True, help="Fine-tuning jobs.")
    app.add_typer(group, name="jobs")
    _jobs(group)


def _jobs(group: typer.Typer) -> None:
    @group.command("list")
    def list_jobs() -> None:
        """List the jobs, newest first."""
        with opened() as loop:
            found = loop.store.jobs.all()
        rows = [(j.id, j.status, j.model, j.fine_tuned_model or "-", moment(j.created_at)) for j in found]
        table(("job", "status", "model", "tuned model", "created (UTC)"), rows)

    @group.command()
    def show(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Show a job and follow it to its end; one that was interrupted goes on from its last checkpoint."""
        from tuneloop import finetuning

        with opened() as loop:
            finetuning.get(loop.store, job)
            _follow(loop, job)

    @group.command()
    def cancel(job: Annotated[str, typer.Argument(help="Id of the job.")]) -> None:
        """Cancel a job; it stops within seconds."""
        from tuneloop import finetuning

        with opened() as loop:
            say(f"{job} is {finetuning.cancel(loop.store, job).status}")


def _follow(loop: Loop, job: str) -> None:
    """Run the job if nobody else does, and show it to its end."""
    from tuneloop import finetuning, tuning
    from tuneloop.cli.watching import ready, watch

    ended = finetuning.get(loop.store, job).status in FINAL_STATUSES
    with nullcontext() if ended else tuning.worker(loop, job):
        try:
            ready(watch(loop.store, job))
        except KeyboardInterrupt:
            say(f"\nStopped watching. {job} goes on from its last checkpoint: tuneloop jobs show {job}")
            raise


def _number(option: str, text: str) -> Any:
    if text == "auto":
        return text
    try:
        return int(text) if text.lstrip("-").isdecimal() else float(text)
    except ValueError:
        raise InvalidInput(f"{option} must be a number or auto, not {text!r}") from None
