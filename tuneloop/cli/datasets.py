"""tuneloop datasets: create, list, show, export, import."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tuneloop.cli.console import moment, one_line, say, table, warn
from tuneloop.cli.context import opened
from tuneloop.protocols import Method
from tuneloop.types import SPLITS, Dataset

Shares = Annotated[str, typer.Option("--split", help="Percent for train/validation/test.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Data sets: examples worth imitating, fixed for ever.")
    app.add_typer(group, name="datasets")
    _make(group)
    _read(group)
    _read_rows(group)


def _make(group: typer.Typer) -> None:
    @group.command()
    def create(
        name: Annotated[str, typer.Argument(help="Name of the data set.")],
        where: Annotated[str, typer.Option(help="Which logs: a filter. Default: all.")] = "",
        split: Shares = "80/10/10",
    ) -> None:
        """Make a data set of the logs that match a filter; corrections replace answers.

        Example: tuneloop datasets create support --where "score.rating = good or corrected"
        """
        from tuneloop import datasets

        with opened() as loop:
            made = datasets.create(loop.store, name, where=where, shares=datasets.parse_shares(split))
        _account(made)

    @group.command("import")
    def import_dataset(
        name: Annotated[str, typer.Argument(help="Name of the data set.")],
        file: Annotated[Path, typer.Argument(help="JSON Lines: chat rows, pairs, or rows with a label.")],
        split: Shares = "80/10/10",
        into: Annotated[str | None, typer.Option(help="Put all rows into train, validation or test.")] = None,
    ) -> None:
        """Make a data set of a training file in the format of any method. A row's split follows from its input alone.

        Example: tuneloop datasets import support train.jsonl
        """
        from tuneloop import datasets
        from tuneloop.importers.rows import training_rows

        with opened() as loop:
            made = datasets.import_rows(
                loop.store,
                name,
                training_rows(file),
                origin=str(file),
                shares=datasets.parse_shares(split),
                split=None if into is None else datasets.parse_split(into, "--into"),
            )
        _account(made)


def _read(group: typer.Typer) -> None:
    @group.command("list")
    def list_datasets() -> None:
        """List the data sets, newest first."""
        with opened() as loop:
            found = loop.store.datasets.all()
        rows = [
            (d.name, d.id, moment(d.created_at), *(str(d.counts.get(s, 0)) for s in SPLITS), d.origin) for d in found
        ]
        table(("name", "id", "created (UTC)", *SPLITS, "made of"), rows)

    @group.command()
    def show(name: Annotated[str, typer.Argument(help="Name or id.")]) -> None:
        """Show one data set: where it is from, and what became of every row."""
        with opened() as loop:
            found = loop.store.datasets.named(name)
        _account(found)


def _read_rows(group: typer.Typer) -> None:
    @group.command()
    def rows(
        name: Annotated[str, typer.Argument(help="Name or id.")],
        split: Annotated[str | None, typer.Option(help="Only train, validation or test.")] = None,
        text: Annotated[str, typer.Option(help="Only rows that say this; case does not matter.")] = "",
        without: Annotated[
            str | None, typer.Option(help="Without the rows of this data set (name or id), such as an older version.")
        ] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
        after: Annotated[int, typer.Option(min=0, help="Begin behind the row of this number.")] = 0,
    ) -> None:
        """Look at the rows of a data set, one a line.

        Example: tuneloop datasets rows support --text refund
        """
        from tuneloop import calls, datasets
        from tuneloop.store.datasets import Sought

        with opened() as loop:
            known = loop.store.datasets
            sought = Sought(
                split=None if split is None else datasets.parse_split(split, "--split"),
                text=text,
                without=None if without is None else known.named(without).id,
            )
            found, more = known.look(known.named(name).id, sought, limit=limit, after=after)
        shown = [(number, row.messages[-2:], row.split) for number, row in found]
        table(
            ("row", "asked", "answer", "split"),
            [(str(n), *(one_line(calls.text_of(said), 70) for said in last), s) for n, last, s in shown],
        )
        if more:
            say(f"more: --after {found[-1].number}")

    @group.command()
    def export(
        name: Annotated[str, typer.Argument(help="Name or id.")],
        split: Annotated[str | None, typer.Option(help="Only train, validation or test.")] = None,
        method: Annotated[Method, typer.Option(help="In this method's format: what it would learn.")] = "supervised",
        output: Annotated[Path | None, typer.Option("--output", "-o", help="File; default: standard output.")] = None,
    ) -> None:
        """Write a data set as a training file: chat rows to imitate, pairs (dpo), or rows with a label (kto).

        Example: tuneloop datasets export support --split train -o train.jsonl
        """
        from tuneloop import datasets

        chosen = None if split is None else datasets.parse_split(split, "--split")
        with opened() as loop:
            lines = datasets.export(loop.store.datasets.rows(loop.store.datasets.named(name).id, chosen), method)
            if output is None:
                for line in lines:
                    sys.stdout.buffer.write(line)
                return
            count = 0
            with output.open("wb") as file:
                for line in lines:
                    count += file.write(line) > 0
        say(f"{count:,} rows written to {output}")


def _account(made: Dataset) -> None:
    from tuneloop import datasets

    say(f"[bold]{made.name}[/]  {made.id}  ({made.origin})")
    say("  " + ", ".join(f"{count:,} {split}" for split, count in made.counts.items()))
    say("  " + datasets.describe(made.account))
    for text in datasets.warnings(made):
        warn(text)
    say(f"  `tuneloop check {made.name}` examines its rows")
