"""tuneloop verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from tuneloop.cli import evaluation_options as options
from tuneloop.cli import training_options as training
from tuneloop.cli.console import say, warn
from tuneloop.cli.context import opened
from tuneloop.cli.evaluations import run, show
from tuneloop.errors import InvalidInput
from tuneloop.types import Dataset, Evaluation, FineTuningJob

if TYPE_CHECKING:
    from tuneloop.loop import Loop
    from tuneloop.prompts import Prompt
    from tuneloop.verdicts import Question


Data = Annotated[str, typer.Argument(help="Name of a data set, or a training file (JSON Lines).")]
HeldOut = Annotated[Path | None, typer.Option(help="File of rows to compare on; default: a part of the data set.")]
Name = Annotated[str | None, typer.Option(help="Name of the data set made of a file; default: its own.")]
Short = Annotated[
    str | None,
    typer.Option(
        help="Short instructions that the tuned model gets in place of the long ones: a text, @FILE, or prompt:NAME. "
        "Default: the first sentence; '' leaves it out."
    ),
]
Against = Annotated[
    list[str] | None, typer.Option(help="Another model or alias to compare with, MODEL or MODEL+PROMPT.")
]
Curve = Annotated[bool, typer.Option(help="Train on a quarter and a half of the rows, too: would more data help?")]
Regression = Annotated[bool, typer.Option(help="Look for what the tuned model has forgotten.")]


def add(app: typer.Typer) -> None:
    """Put the command into the application."""

    @app.command()
    def verdict(
        data: Data,
        held_out: HeldOut = None,
        name: Name = None,
        model: Annotated[str | None, typer.Option(help="Model to tune [TUNELOOP_BASE_MODEL].")] = None,
        short: Short = None,
        against: Against = None,
        shots: options.Shots = 5,
        logged: options.Logged = False,
        curve: Curve = True,
        regression: Regression = True,
        rows: options.Rows = None,
        on: options.On = "test",
        epochs: training.Epochs = "auto",
        learning_rate_multiplier: training.LearningRateMultiplier = "auto",
        seed: Annotated[int | None, typer.Option(help="The same seed gives the same models.")] = 0,
        concurrency: options.Concurrency = 4,
        margin: options.Margin = 0.02,
        level: options.Level = 0.95,
        baseline: options.Baseline = None,
        candidate: options.Candidate = None,
        grader: options.Graders = None,
        max_dollars: options.MaxDollars = None,
        dollars_per_hour: options.DollarsPerHour = None,
        timeout: options.Timeout = 120.0,
        report: options.Reports = None,
    ) -> None:
        """Tune, compare, and say whether the small model is good enough to take over, and what it saves.

        Tunes on the data with its own long prompt and with a short one; compares with the prompted model, with examples
        in its prompt, and with other models; on rows none was tuned on. Interrupted, the same command goes on.

        Example: tuneloop verdict train.jsonl --held-out held_out.jsonl --short "Name the queue." --report report.html
        """
        from tuneloop import verdicts

        options.check_reports(report)
        with opened() as loop:
            options.price_machine(loop, dollars_per_hour)
            found = _dataset(loop, data, held_out, name)
            asked = verdicts.Question(
                dataset=found,
                split=options.split(on),
                base=model or loop.settings.base_model,
                short=_short(loop, found, short),
                against=against or (),
                shots=shots,
                logged=logged,
                curve=curve,
                regression=regression,
                rows=rows,
                seed=seed,
                hyperparameters=training.numbers(
                    {"n_epochs": epochs, "learning_rate_multiplier": learning_rate_multiplier}
                ),
                graders=options.definitions(loop, grader),
                terms=options.terms(concurrency, max_dollars, margin, level, baseline, candidate),
                timeout=timeout,
            )
            evaluation = _give(loop, asked)
        show(evaluation)
        options.write_reports(evaluation, report)


def _give(loop: Loop, asked: Question) -> Evaluation:
    from tuneloop import tuning, verdicts
    from tuneloop.cli.watching import watch

    def follow(job: FineTuningJob) -> FineTuningJob:
        with tuning.worker(loop, job.id):
            return watch(loop.store, job.id)

    tuned = verdicts.tune(loop, asked, follow, say)
    return run(loop, lambda progress: verdicts.give(loop, asked, tuned, progress, say))


def _dataset(loop: Loop, data: str, held_out: Path | None, name: str | None) -> Dataset:
    from tuneloop import datasets
    from tuneloop.importers.rows import training_rows

    path = Path(data)
    if not path.is_file():
        if held_out is not None or name is not None:
            raise InvalidInput(f"--held-out and --name belong to a file of rows, and {data!r} is none", param="data")
        return loop.store.datasets.named(data)
    made = datasets.import_rows(
        loop.store,
        name or path.stem,
        training_rows(path),
        origin=str(path),
        shares=datasets.SHARES if held_out is None else (1.0, 0.0, 0.0),
        held_out=() if held_out is None else training_rows(held_out),
    )
    say(f"[bold]{escape(made.name)}[/]: " + ", ".join(f"{count:,} {split}" for split, count in made.counts.items()))
    return made


def _short(loop: Loop, dataset: Dataset, given: str | None) -> Prompt | None:
    from tuneloop import prompts, verdicts

    if given == "":
        return None
    if given is None:
        found = verdicts.default_short(loop, dataset)
        if found is None:
            warn("no short prompt: the rows have instructions of their own, or short ones; --short TEXT gives one")
        else:
            say(f"short prompt: {escape(prompts.render(found, {})[0]['content'])}")
        return found
    if given.startswith("prompt:"):
        return prompts.find(loop.store, given.removeprefix("prompt:"), param="short")
    return verdicts.save_short(loop, dataset, _text(given))


def _text(given: str) -> str:
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read the short prompt in {given[1:]!r}: {error}", param="short") from None
