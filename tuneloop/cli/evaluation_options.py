"""Options that `evaluate` and `verdict` share: what is compared, how it is graded, where the report goes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.cli import grader_files
from tuneloop.cli.console import say
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.evaluations import Terms
    from tuneloop.loop import Loop
    from tuneloop.types import Evaluation, Json, Split

_ARMS = "What is compared"
_TERMS = "Terms"

Shots = Annotated[int, typer.Option(help="Examples in the few-shot prompts; 0 leaves them out.", min=0)]
Logged = Annotated[
    bool, typer.Option("--logged", help="Compare with the answers in the log, too.", rich_help_panel=_ARMS)
]
Rows = Annotated[int | None, typer.Option(help="At most this many rows.", min=1)]
On = Annotated[str, typer.Option(help="Split to compare on.")]
Concurrency = Annotated[int, typer.Option(help="Calls at the same time.", min=1, rich_help_panel=_TERMS)]
Margin = Annotated[
    float,
    typer.Option(help="The loss of quality that you accept: 0.02 is two points of a hundred.", rich_help_panel=_TERMS),
]
Level = Annotated[float, typer.Option(help="Confidence of the intervals.", min=0.5, max=0.999, rich_help_panel=_TERMS)]
Baseline = Annotated[
    str | None,
    typer.Option(help="Name of the arm that is to be replaced; default: the first.", rich_help_panel=_TERMS),
]
Candidate = Annotated[
    str | None,
    typer.Option(help="Name of the arm that is to take over; default: the last tuned one.", rich_help_panel=_TERMS),
]
Graders = Annotated[
    list[str] | None,
    typer.Option(
        "--grader",
        help="How answers are graded: a metric (exact_match, json_match, chrf, ...), a grader of `tuneloop graders`, "
        "or a JSON file; the first decides. Repeatable. Default: what suits the answers.",
        rich_help_panel=_TERMS,
    ),
]
MaxDollars = Annotated[
    float | None,
    typer.Option(
        help="What calls and judges may cost together. The same command goes on from there.",
        min=0,
        rich_help_panel=_TERMS,
    ),
]
DollarsPerHour = Annotated[
    float | None,
    typer.Option(help="What an hour of this machine costs; default: settings.toml.", min=0, rich_help_panel=_TERMS),
]
Timeout = Annotated[float, typer.Option(help="Seconds that an answer may take.", min=0.1, rich_help_panel=_TERMS)]
Reports = Annotated[
    list[Path] | None,
    typer.Option("--report", help="Write the report: a page (.html), Markdown (.md) or JSON (.json). Repeatable."),
]


def split(on: str) -> Split:
    """The split of that name. Raises InvalidInput."""
    from tuneloop import datasets

    return datasets.parse_split(on, "--on")


def terms(
    concurrency: int,
    max_dollars: float | None,
    margin: float,
    level: float,
    baseline: str | None,
    candidate: str | None,
) -> Terms:
    """What the comparison is held to."""
    from tuneloop import evaluations

    return evaluations.Terms(
        concurrency=concurrency,
        max_dollars=max_dollars,
        margin=margin,
        level=level,
        baseline=baseline,
        candidate=candidate,
    )


def price_machine(loop: Loop, dollars_per_hour: float | None) -> None:
    """Have this machine's time cost what was said, if anything was."""
    if dollars_per_hour is not None:
        loop.settings = replace(loop.settings, dollars_per_hour=dollars_per_hour)


def check_reports(paths: list[Path] | None) -> None:
    """Raises InvalidInput for a report that could not be written in the end."""
    from tuneloop.reports import FORMS

    for path in paths or []:
        if path.suffix.lower() not in FORMS:
            raise InvalidInput(f"--report {path} must end with {', '.join(FORMS)}", param="report")
        if not path.parent.is_dir():
            raise InvalidInput(f"--report {path}: there is no folder {path.parent}", param="report")


def write_reports(evaluation: Evaluation, paths: list[Path] | None) -> None:
    """Write the report in each form that was asked for."""
    from tuneloop import reports

    for path in paths or []:
        path.write_bytes(reports.write(evaluation.id, evaluation.report, path.suffix.lower()))
        say(f"the report: {path}")


def definitions(loop: Loop, named: list[str] | None) -> list[Json]:
    """Graders' JSON by what names them. Raises InvalidInput."""
    return [_definition(loop, name) for name in named or []]


def _definition(loop: Loop, name: str) -> Any:
    from tuneloop import graders, grading

    if name in graders.METRICS:
        return graders.of_metric(name)
    path = Path(name)
    is_file = path.suffix == ".json" or path.is_file()
    return grading.resolve(loop.store, grader_files.read(path) if is_file else name)
