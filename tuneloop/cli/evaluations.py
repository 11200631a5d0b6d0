"""tuneloop evaluate and tuneloop evaluations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from tuneloop.cli import evaluation_options as options
from tuneloop.cli.console import console, moment, say, stderr, table
from tuneloop.cli.context import opened
from tuneloop.types import Evaluation

if TYPE_CHECKING:
    from tuneloop.loop import Loop


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""

    @app.command()
    def evaluate(
        dataset: Annotated[str, typer.Argument(help="Name or id of the data set.")],
        models: Annotated[
            list[str],
            typer.Argument(
                help="Models or aliases to compare with the prompted base; MODEL+PROMPT asks one with a Prompt "
                "(gpt-4o-mini+support@2)."
            ),
        ],
        base: Annotated[str | None, typer.Option(help="The prompted model; default: what was tuned.")] = None,
        shots: options.Shots = 5,
        pick: Annotated[
            Literal["random", "similar", "both"],
            typer.Option(help="Examples for all rows, or for each those that are most like it."),
        ] = "random",
        logged: options.Logged = False,
        rows: options.Rows = None,
        on: options.On = "test",
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
        """Compare tuned models with the prompted base, and with examples in its prompt, on rows neither has seen.
        Interrupted, the same command goes on where it was and asks nothing twice.

        Example: tuneloop evaluate support ft:smollm2-135m-instruct:local:support:0123abcd --report report.html
        """
        from tuneloop import comparing

        options.check_reports(report)
        with opened() as loop:
            options.price_machine(loop, dollars_per_hour)
            found = loop.store.datasets.named(dataset)
            chosen = comparing.held_out(loop, found, options.split(on), rows)
            picks: tuple[comparing.Pick, ...] = ("random", "similar") if pick == "both" else (pick,)
            sides = comparing.Sides(models=models, base=base, shots=shots, picks=picks, logged=logged)
            asked = comparing.Comparison(
                dataset=found,
                arms=comparing.arms(loop, found, sides, chosen),
                rows=chosen,
                terms=options.terms(concurrency, max_dollars, margin, level, baseline, candidate),
                graders=options.definitions(loop, grader),
                timeout=timeout,
            )
            evaluation = run(loop, lambda progress: comparing.compare(loop, asked, progress))
        show(evaluation)
        options.write_reports(evaluation, report)

    group = typer.Typer(no_args_is_help=True, help="Evaluations: what was compared, and the verdicts.")
    app.add_typer(group, name="evaluations")
    _evaluations(group)


def _evaluations(group: typer.Typer) -> None:
    @group.command("list")
    def list_evaluations() -> None:
        """List the evaluations, newest first."""
        with opened() as loop:
            found = loop.store.evaluations.all()
            names = {d.id: d.name for d in loop.store.datasets.all()}
        rows = [
            (e.id, names.get(e.dataset_id, "-"), _answer(e), ", ".join(_arms(e)), moment(e.created_at)) for e in found
        ]
        table(("evaluation", "data set", "verdict", "arms", "created (UTC)"), rows)

    @group.command("show")
    def show_one(
        evaluation: Annotated[str, typer.Argument(help="Id of the evaluation.")], report: options.Reports = None
    ) -> None:
        """Show one evaluation, or write its report.

        Example: tuneloop evaluations show eval_0123 --report report.html
        """
        options.check_reports(report)
        with opened() as loop:
            found = loop.store.evaluations.get(evaluation)
        if found.status != "completed":
            say(_state(found))
            return
        show(found)
        options.write_reports(found, report)

    @group.command()
    def votes(evaluation: Annotated[str, typer.Argument(help="Id of the evaluation.")]) -> None:
        """Say which answers people find better who are not told whose they are. They vote on the web page.

        Example: tuneloop evaluations votes eval_0123
        """
        from tuneloop import votes as given

        with opened() as loop:
            found = given.results(loop.store, loop.store.evaluations.get(evaluation))
        for one in found:
            say(escape(one.sentence))
        if not found:
            say(f"nobody has voted on {evaluation}")

    _ending(group)


def _ending(group: typer.Typer) -> None:
    @group.command()
    def cancel(evaluation: Annotated[str, typer.Argument(help="Id of the evaluation.")]) -> None:
        """End an evaluation that the server works on. One of a command ends with that (Ctrl-C).

        Example: tuneloop evaluations cancel eval_0123
        """
        from tuneloop import evaluating

        with opened() as loop:
            say(f"{evaluating.cancel(loop.store, evaluation).id} is cancelled")

    @group.command()
    def delete(evaluation: Annotated[str, typer.Argument(help="Id of the evaluation.")]) -> None:
        """Forget an evaluation with its answers.

        Example: tuneloop evaluations delete eval_0123
        """
        from tuneloop import evaluating

        with opened() as loop:
            evaluating.delete(loop.store, evaluation)
        say(f"{evaluation} is deleted")


def _state(evaluation: Evaluation) -> str:
    """What is to be said of one without a report."""
    if evaluation.asked is None:
        return f"{evaluation.id} is not completed; the command that began it goes on with it"
    error = f": {escape(str(evaluation.error['message']))}" if evaluation.error else ""
    arms = [f"{escape(arm)} {done} of {total}" for arm, (done, total) in evaluation.progress.get("arms", {}).items()]
    now = ". ".join(filter(None, [escape(evaluation.progress.get("doing", "")), ", ".join(arms)]))
    return f"{evaluation.id} is {evaluation.status}{error}" + (f". {now}" if now else "")


def _answer(evaluation: Evaluation) -> str:
    if evaluation.status != "completed":
        return evaluation.status
    return str((evaluation.report.get("verdict") or {}).get("answer") or "-").replace("_", " ")


#: of verdicts
_COLOURS = {"yes": "bold green", "no": "bold red", "needs_more": "bold yellow"}


def _arms(evaluation: Evaluation) -> list[str]:
    return [arm["name"] for arm in evaluation.report.get("arms", ())]


def run(loop: Loop, work: Callable[[ArmProgress], Awaitable[Evaluation]]) -> Evaluation:
    """Run a comparison with a bar for each arm, and stop the engines it has started."""

    async def whole(progress: ArmProgress) -> Evaluation:
        try:
            return await work(progress)
        finally:
            await loop.local.close()

    with ArmProgress() as progress:
        return asyncio.run(whole(progress))


def show(evaluation: Evaluation) -> None:
    """The comparison as a table and a sentence."""
    from tuneloop import evaluations

    report = evaluation.report
    headers, rows = evaluations.rows_for_table(report)
    console.print()
    table(headers, rows, title=f"{report['rows']} held-out rows")
    verdict = report.get("verdict") or {}
    colour = _COLOURS.get(str(verdict.get("answer")), "bold")
    say(f"\n[{colour}]{escape(verdict.get('sentence') or evaluations.sentence(report))}[/]")
    for reason in verdict.get("reasons", ()):
        say(f"  - {escape(reason)}")
    for part in ("learning_curve", "regression"):
        if report.get(part):
            say(escape(report[part]["sentence"]))
    say(f"[dim]{evaluation.id}: `tuneloop evaluations show {evaluation.id} --report report.html` writes the report[/]")


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
