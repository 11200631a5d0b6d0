"""tuneloop graders: list, show, add, run, review, agree, monitor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli import grader_files
from tuneloop.cli.console import console, moment, say, stderr, table, warn
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.grader_types import Review
    from tuneloop.grading import Agreement, Tally
    from tuneloop.loop import Loop

Name = Annotated[str, typer.Argument(help="Name of a grader, or of one of its versions: helpful, helpful@2.")]
Where = Annotated[str, typer.Option(help="Which logs: a filter. Default: all.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Graders: kept under names, on logs, live, and by people.")
    app.add_typer(group, name="graders")
    _kept(group)
    _versions(group)
    _on_logs(group)
    _by_people(group)


def _kept(group: typer.Typer) -> None:
    @group.command("list")
    def list_graders() -> None:
        """List the graders that are kept, and those that look at new calls."""
        with opened() as loop:
            store = loop.store
            found, _ = store.graders.newest(limit=1000)
            watched = {monitor.grader: monitor for monitor in store.monitors.all()}
            waiting = store.reviews.waiting()
        rows = []
        for grader in found:
            monitor = watched.get(grader.name)
            looks = "-" if monitor is None else f"{monitor.share:.0%} of {monitor.filter or 'all calls'}"
            first = (grader.reference, str(grader.definition["type"]), moment(grader.created_at))
            rows.append((*first, looks, str(waiting.get(grader.name, 0)), grader.note or ""))
        table(("grader", "type", "created (UTC)", "looks at", "waiting for people", "note"), rows)
        for monitor in watched.values():
            if monitor.problem:
                warn(f"{monitor.grader} does not look at calls: {monitor.problem}")

    @group.command()
    def show(name: Name) -> None:
        """Show a grader as JSON.

        Example: tuneloop graders show helpful@2
        """
        from tuneloop import grading

        with opened() as loop:
            found = grading.find(loop.store, name)
        console.print_json(data=dict(found.definition))


def _versions(group: typer.Typer) -> None:
    @group.command("add")
    def add_version(
        name: Annotated[str, typer.Argument(help="Name of the grader.")],
        file: Annotated[Path, typer.Argument(help="A grader as JSON; - reads standard input.", allow_dash=True)],
        note: Annotated[str | None, typer.Option(help="Anything to remember.")] = None,
    ) -> None:
        """Keep a grader under a name: a new version where there is one.

        Example: tuneloop graders add helpful helpful.json
        """
        from tuneloop import grading

        with opened() as loop:
            made = grading.add(loop.store, name, grader_files.read(file), note)
        say(f"{made.reference}: wherever a grader is asked for, {made.name!r} will do")

    @group.command()
    def delete(name: Name) -> None:
        """Forget a grader with all its versions and its monitor. The scores it gave stay.

        Example: tuneloop graders delete helpful
        """
        from tuneloop import grading

        with opened() as loop:
            gone = grading.delete(loop.store, name)
        say(f"{name}: {gone} {'version' if gone == 1 else 'versions'} deleted")


def _on_logs(group: typer.Typer) -> None:
    @group.command()
    def run(
        name: Name,
        where: Where = "",
        share: Annotated[float, typer.Option(help="Share of them, chosen by the hash of the id.")] = 1.0,
        limit: Annotated[int | None, typer.Option(help="At most this many, the newest.", min=1)] = None,
        concurrency: Annotated[int, typer.Option(help="Calls at the same time.", min=1, max=64)] = 4,
    ) -> None:
        """Grade logs: each gets a score under the grader's name, for filters such as score.helpful >= 0.8.

        Example: tuneloop graders run helpful --where "created_at > now-1d" --share 0.1
        """
        from tuneloop import filters, grading, judging

        tree = filters.parse(where)
        if not 0 < share <= 1:
            raise InvalidInput(f"--share must be above 0, at most 1, not {share:g}")
        with opened() as loop, stderr.status("grading ...") as status:
            version = grading.find(loop.store, name)
            tally = judging.grade_logs(
                loop,
                version,
                tree,
                share=share,
                limit=limit,
                concurrency=concurrency,
                on_progress=lambda so_far: status.update(f"grading ... {so_far.graded:,} logs"),
            )
        _tell(version.name, tally)

    @group.command()
    def monitor(
        name: Annotated[str, typer.Argument(help="Name of a grader; its newest version grades.")],
        where: Where = "",
        share: Annotated[float, typer.Option(help="Share of the new calls.")] = 1.0,
        stop: Annotated[bool, typer.Option("--stop", help="No longer.")] = False,
    ) -> None:
        """Let a grader look at new calls while the server runs; it waits for whatever else needs the machine.

        Example: tuneloop graders monitor helpful --where "model = support" --share 0.05
        """
        from tuneloop.grading import monitors

        with opened() as loop:
            if stop:
                monitors.stop(loop.store, name)
                say(f"{name} no longer looks at new calls; its scores stay")
                return
            made = monitors.watch(loop.store, name, where=where, share=share)
            runs = loop.server()
        say(f"{made.grader} looks at {made.share:.0%} of {made.filter or 'all new calls'}")
        if not runs:
            say("  as soon as a server runs: `tuneloop serve`")


def _by_people(group: typer.Typer) -> None:
    @group.command()
    def review(
        name: Name,
        user: Annotated[str | None, typer.Option(help="Who judges.")] = None,
    ) -> None:
        """Answer what a grader asks of people, one question after the other.

        Example: tuneloop graders review tone --user anna
        """
        from tuneloop import grading

        with opened() as loop:
            grader = grading.find(loop.store, name).name
            answered = _review(loop, grader, user)
        say(f"{answered} answered" + ("" if answered else f"; `tuneloop graders run {grader}` asks about logs"))

    @group.command()
    def agree(
        name: Name,
        against: Annotated[str, typer.Option(help="Name of the scores that people gave.")] = "rating",
        where: Where = "",
        calibrate: Annotated[
            bool, typer.Option("--calibrate", help="Keep a new version whose scores are on people's scale.")
        ] = False,
    ) -> None:
        """Say how far a grader agrees with people, on the logs that both have scored.

        Example: tuneloop graders agree helpful --against rating --calibrate
        """
        from tuneloop import filters, grading
        from tuneloop.grading.agreement import calibrate as calibrated

        tree = filters.parse(where)
        with opened() as loop:
            version = grading.find(loop.store, name)
            _report(version.reference, against, grading.agreement(loop.store, version, against=against, where=tree))
            if calibrate:
                made = calibrated(loop.store, version, against=against, where=tree)
                say(f"{made.reference} is calibrated: {made.note}")


def _review(loop: Loop, grader: str, user: str | None) -> int:
    """Ask until nothing is left or nobody wants to go on; returns how many were answered."""
    from tuneloop import grading

    answered, last, more = 0, None, True
    while more:
        found, more = grading.waiting(loop.store, grader, limit=1, after=last)
        for review in found:
            last = review.id
            said = _ask(review)
            if said == "quit":
                return answered
            if said is not None:
                grading.answer(loop.store, grader, {"id": review.id, "value": said, "user": user})
                answered += 1
    return answered


def _tell(name: str, tally: Tally) -> None:
    mean = "" if tally.mean is None else f", mean {tally.mean:.3g}"
    say(f"{tally.graded:,} logs graded{mean}; they have a score under {name!r}")
    if tally.known:
        say(f"  {tally.known:,} had it already")
    if tally.pending:
        say(f"  {tally.pending:,} wait for people: `tuneloop graders review {name}`")
    if tally.unusable:
        say(f"  {tally.unusable:,} have no answer that can be graded")
    if tally.failed:
        warn(f"{tally.failed:,} could not be graded, the last one: {tally.failure}")


def _report(reference: str, against: str, found: Agreement) -> None:
    if not found.rows:
        say(f"no log has both a score of {reference} and people's {against!r}")
        return
    figures = {"Spearman's rank correlation": found.spearman, "Cohen's kappa of good or bad": found.kappa}
    say(f"{found.rows:,} logs have both; of {found.same:.0%} both say good, or both bad")
    for what, figure in figures.items():
        say(f"  {what}: {'unknown, all the same' if figure is None else f'{figure:.2f}'}")


def _ask(review: Review) -> str | float | None:
    """What a person says: a label or a number, "quit", or None to skip."""
    console.rule()
    for text in review.shown:
        console.print(text, markup=False, soft_wrap=True)
        console.print()
    options = "/".join(review.labels) if review.labels else f"{review.low:g} to {review.high:g}"
    while True:
        said = typer.prompt(f"{review.question} ({options}, skip, quit)").strip()
        if said in ("quit", "q"):
            return "quit"
        if said in ("skip", "s"):
            return None
        fitting = [label for label in review.labels if label == said or label.startswith(said)]
        if review.labels and (said in review.labels or len(fitting) == 1):
            return said if said in review.labels else fitting[0]
        if not review.labels and (number := _number(said)) is not None and review.low <= number <= review.high:
            return number
        warn(f"one of {options}, skip or quit")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
