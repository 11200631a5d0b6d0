"""tuneloop check."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tuneloop.cli.console import one_line, say, stderr, table, warn
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.checks.examination import Ranked
    from tuneloop.doctor import Patient, Progress, Report
    from tuneloop.loop import Loop
    from tuneloop.types import Dataset

_COLOURS = {"error": "red", "warning": "yellow", "advice": "cyan"}
#: kinds of finding that are shown without --all, and rows with --preview
_SHOWN, _PREVIEWED = 12, 10
_FILES = (".jsonl", ".json", ".ndjson", ".gz", ".txt", ".csv")


def add(app: typer.Typer) -> None:
    """Put the command into the application."""

    @app.command()
    def check(
        subject: Annotated[
            str | None,
            typer.Argument(help="A JSON Lines file (- for standard input), a data set, or an upload (file-...)."),
        ] = None,
        where: Annotated[str | None, typer.Option(help="Examine the logs that match this filter instead.")] = None,
        json: Annotated[
            bool, typer.Option("--json", help="JSON Lines: a record for each row, then a summary.")
        ] = False,
        report: Annotated[
            Path | None, typer.Option("--report", "-o", help="Write a page (.html), or what --json prints (.jsonl).")
        ] = None,
        into: Annotated[
            str | None, typer.Option(help="Make a data set of this name of the rows that are kept.")
        ] = None,
        leave: Annotated[
            list[str] | None, typer.Option(help="Leave a kind of finding as it is, such as near_duplicate; repeatable.")
        ] = None,
        fix: Annotated[
            list[str] | None, typer.Option(help="CODE=FIX in place of the suggested one, such as pii_email=drop.")
        ] = None,
        length: Annotated[int, typer.Option(help="Characters that are left of a message that is cut.", min=100)] = 1400,
        split: Annotated[str, typer.Option(help="With --into: percent for train/validation/test.")] = "80/10/10",
        model: Annotated[
            str | None, typer.Option(help="Base model to count tokens for. Default: the usual one.")
        ] = None,
        estimate: Annotated[bool, typer.Option("--estimate", help="Measure how long tuning on it takes here.")] = False,
        preview: Annotated[bool, typer.Option("--preview", help="Show what the fixes would change.")] = False,
        all: Annotated[bool, typer.Option("--all", help="Every kind of finding, not the most harmful only.")] = False,
    ) -> None:
        """Examine a data set before training: what would derail the model, in which row, and what mends it.

        Nothing is changed. With --into, a new data set is made of the rows that are kept and fixed, and it keeps the
        account of every row.

        Example: tuneloop check train.jsonl --into clean
        """
        from tuneloop import datasets, doctor
        from tuneloop.checks.treatment import read_plan

        plan, shares = read_plan(leave, fix, length), datasets.parse_shares(split)
        with opened() as loop, _progress(json) as progress:
            patient = _patient(loop, subject, where)
            found = doctor.examine(patient, plan=plan, chat=doctor.chat(loop, model), progress=progress)
            if estimate:
                found = doctor.foresee(loop, found, model)
            made = doctor.make_dataset(loop, found, into, shares=shares) if into else None
            doctor.write_report(found, report)
            if json:
                sys.stdout.buffer.writelines(found.account())
                return
            _show(found, everything=all)
            _preview(found, _PREVIEWED * preview)
        named = shlex.quote(subject) if subject else f"--where '{where}'"
        _outcome(found, made, report, named.encode("utf-8", "replace").decode())


def _patient(loop: Loop, subject: str | None, where: str | None) -> Patient:
    from tuneloop import doctor

    if where is not None and subject is None:
        return doctor.of_logs(loop, where)
    if where is not None or subject is None:
        raise InvalidInput("name a file or a data set, or choose logs by --where 'filter' (--where '' takes all)")
    if subject == "-":
        return doctor.of_stream(loop, sys.stdin.buffer, "standard input")
    if Path(subject).is_fifo():
        with Path(subject).open("rb") as pipe:
            return doctor.of_stream(loop, pipe, subject)
    if Path(subject).exists() or "/" in subject or subject.endswith(_FILES):
        return doctor.of_file(Path(subject))
    if subject.startswith("file-"):
        return doctor.of_upload(loop, subject)
    return doctor.of_dataset(loop, subject)


@contextmanager
def _progress(quiet: bool) -> Iterator[Progress | None]:
    """A line that counts the rows, in a terminal."""
    if quiet or not stderr.is_terminal:
        yield None
        return
    with stderr.status("reading rows") as status:
        yield lambda what, done: status.update(f"{what}: {done:,}")


def _show(report: Report, *, everything: bool) -> None:
    """The account, then the findings with the most harmful first."""
    counts = report.counts()
    said = [f"[green]{counts['kept']:,} are fine[/]", f"[yellow]{counts['fixed']:,} can be fixed[/]"]
    said.append(f"[red]{counts['dropped']:,} would be dropped[/]")
    say(f"[bold]{escape(report.patient.name)}[/]: {counts['rows']:,} rows, of which {', '.join(said)}")
    for line in report.costs():
        say(escape(line))
    ranked = report.examination.ranked()
    shown = ranked if everything else ranked[:_SHOWN]
    if not ranked:
        say("Nothing was found that speaks against training on it.")
    for kind in shown:
        _show_kind(kind)
    if len(shown) < len(ranked):
        say(f"\nand {len(ranked) - len(shown)} less harmful kinds: --all shows them")


def _show_kind(kind: Ranked) -> None:
    colour = _COLOURS[kind.severity]
    rows = f"{kind.rows:,} row{'s' if kind.rows != 1 else ''}" if kind.rows else "all rows"
    say(f"\n[{colour}]{kind.severity:<8}[/] [bold]{escape(kind.title)}[/] ({kind.code}), {rows}")
    say(f"         {escape(kind.why)}")
    for message in kind.messages[: 2 if kind.rows else 3]:
        say(f"         [dim]{escape(one_line(message, 140))}[/]")
    if kind.fixes:
        others = f" (or {', '.join(kind.fixes[1:])})" if kind.fixes[1:] else ""
        say(f"         fix: {kind.fixes[0]}{others}")


def _preview(report: Report, most: int) -> None:
    """The first rows that are fixed, before and after."""
    from tuneloop import doctor

    if rows := [(str(row.number), ", ".join(fixes), change) for row, fixes, change in doctor.previews(report, most)]:
        say("")
        table(("row", "fix", "change"), rows)


def _outcome(report: Report, made: Dataset | None, written: Path | None, subject: str) -> None:
    """What was written, or could be."""
    from tuneloop import datasets

    if written is not None:
        say(f"\nthe report: {escape(str(written))}")
    if made is not None:
        say(f"\n[bold]{escape(made.name)}[/]  {made.id}: " + ", ".join(f"{n:,} {s}" for s, n in made.counts.items()))
        for text in datasets.warnings(made):
            warn(text)
    elif report.treated:
        say(f"\n`tuneloop check {escape(subject)} --into NAME` makes a data set of the rows that are kept.")
