"""tuneloop evaluate."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from tuneloop.cli.console import console, say, stderr, table
from tuneloop.cli.context import opened
from tuneloop.types import Evaluation


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def evaluate(
        dataset: Annotated[str, typer.Argument(help="Name or id of the data set.")],
        models: Annotated[list[str], typer.Argument(help="Models or aliases to compare with the prompted base.")],
        base: Annotated[str | None, typer.Option(help="The prompted model; default: what was tuned.")] = None,
        shots: Annotated[int, typer.Option(help="Examples in the few-shot prompt; 0 leaves it out.", min=0)] = 5,
        rows: Annotated[int | None, typer.Option(help="At most this many rows.", min=1)] = None,
        on: Annotated[str, typer.Option(help="Split to compare on.")] = "test",
        concurrency: Annotated[int, typer.Option(help="Calls at the same time.", min=1)] = 4,
        json: Annotated[Path | None, typer.Option(help="Write the whole report to this file.")] = None,
    ) -> None:
        """Compare tuned models with the prompted base, and with examples in its prompt, on rows neither has seen.

        Example: tuneloop evaluate support ft:smollm2-135m-instruct:local:support:0123abcd --json report.json
        """
        from tuneloop import comparing, datasets

        split = datasets.parse_split(on, "--on")
        with opened() as loop:
            found = loop.store.datasets.named(dataset)
            sides = comparing.arms(loop, found, models, base, shots)
            chosen = comparing.held_out(loop, found, split, rows)

            async def run(progress: ArmProgress) -> Evaluation:
                try:
                    return await comparing.compare(
                        loop, found, sides, chosen, concurrency=concurrency, on_progress=progress
                    )
                finally:
                    await loop.local.close()

            with ArmProgress() as progress:
                evaluation = asyncio.run(run(progress))
        show(evaluation)
        if json is not None:
            json.write_bytes(orjson.dumps(evaluation.report, option=orjson.OPT_INDENT_2))
            say(f"the whole report: {json}")


def show(evaluation: Evaluation) -> None:
    """The comparison as a table and a sentence."""
    from tuneloop import evaluations

    headers, rows = evaluations.rows_for_table(evaluation.report)
    console.print()
    table(headers, rows, title=f"{evaluation.report['rows']} held-out rows")
    say(f"\n{evaluations.sentence(evaluation.report)}")


class ArmProgress:
    """A bar for each arm."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=stderr, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ArmProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, arm: str, done: int, total: int) -> None:
        if arm not in self._tasks:
            self._tasks[arm] = self._progress.add_task(arm, total=total)
        self._progress.update(self._tasks[arm], completed=done)
