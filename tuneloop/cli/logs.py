"""tuneloop logs and tuneloop feedback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from tuneloop.cli import retention
from tuneloop.cli.console import console, moment, one_line, say, stderr, table, warn
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidData, InvalidInput

Where = Annotated[str, typer.Option(help="Filter, such as: score.rating = good and not model ~ mini")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="The calls: list, look at one, import.")
    app.add_typer(group, name="logs")
    _read(group)
    _read_one(group)
    retention.add(group)
    _give(app)

    @group.command("import")
    def import_logs(
        file: Annotated[Path, typer.Argument(help="JSON Lines, plain or gzipped.")],
        tag: Annotated[list[str] | None, typer.Option(help="KEY=VALUE metadata for every call; repeatable.")] = None,
    ) -> None:
        """Import calls made elsewhere: logged calls, OpenAI stored completions, or chat training rows.

        Importing a file again adds nothing twice.

        Example: tuneloop logs import my_log.jsonl --tag source=shop
        """
        from tuneloop.importers.bulk import import_file

        with opened() as loop, stderr.status("importing ...") as status:
            report = import_file(
                loop.store,
                file,
                cost=loop.prices.cost,
                metadata=_pairs(tag or []),
                progress=lambda r: status.update(f"importing ... {r.read:,} lines"),
            )
        known = f", {report.known:,} known already" if report.known else ""
        say(f"{report.read:,} lines: {report.added:,} logs added{known}, {report.scores:,} scores")
        if report.bad:
            for number, why in report.errors:
                warn(f"line {number}: {why}")
            raise InvalidData(f"{report.bad} of {report.read} lines of {file} could not be imported; mend and repeat")


def _give(app: typer.Typer) -> None:
    @app.command()
    def feedback(
        log: Annotated[str | None, typer.Argument(help="Id of the log, or the id inside its response.")] = None,
        value: Annotated[str | None, typer.Argument(help="good, bad, true, false, 0.7, ...")] = None,
        name: Annotated[str, typer.Option(help="What is scored.")] = "rating",
        metadata: Annotated[list[str] | None, typer.Option(help="Name the log by KEY=VALUE instead.")] = None,
        comment: Annotated[str | None, typer.Option(help="Anything to remember.")] = None,
        correction: Annotated[str | None, typer.Option(help="The answer as it should have been.")] = None,
        user: Annotated[str | None, typer.Option(help="Who says so.")] = None,
        take_back: Annotated[str | None, typer.Option(help="Id of a score that is to be forgotten.")] = None,
        where: Annotated[str | None, typer.Option(help="Score all calls that match this filter instead.")] = None,
    ) -> None:
        """Score a call, comment on it, or correct its answer; or score many at once, or take a score back.

        Example: tuneloop feedback chatcmpl-123 bad --correction "The shop opens at nine."
        """
        from tuneloop import scores

        if take_back is not None:
            with opened() as loop:
                taken = scores.take_back(loop.store, take_back)
            say(f"forgotten: {taken.name} of {taken.log_id}")
            return
        if (metadata or where is not None) and value is None:
            log, value = None, log
        said = None if value is None else scores.value_of(value)
        fields: dict[str, Any] = {"name": name, "value": said, "comment": comment, "correction": correction}
        fields |= {"log_id": log, "user": user} | ({"metadata": _pairs(metadata)} if metadata else {})
        if where is not None:
            _score_all(fields | {"where": where})
            return
        with opened() as loop:
            score = scores.give(loop.store, fields)
        say(f"scored {score.log_id}: {score.name} = {score.value if score.value is not None else '(no value)'}")


def _score_all(fields: dict[str, Any]) -> None:
    from tuneloop import bulk_scores

    with opened() as loop, stderr.status("scoring ..."):
        count = bulk_scores.give(loop.store, fields)
    say(f"scored {count:,} logs: {fields['name']} = {fields['value'] if fields['value'] is not None else '(no value)'}")


def _read(group: typer.Typer) -> None:
    @group.command("list")
    def list_logs(
        where: Where = "",
        limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=1000)] = 20,
        after: Annotated[str | None, typer.Option(help="Go on behind this log.")] = None,
        json: Annotated[bool, typer.Option("--json", help="JSON Lines with everything.")] = False,
    ) -> None:
        """List the newest calls that match a filter.

        Example: tuneloop logs list --where "status >= 400 and created_at > now-1d"
        """
        from tuneloop import filters
        from tuneloop.api import shapes

        with opened() as loop:
            tree = filters.parse(where)
            found, more = loop.store.logs.page(tree, limit=limit, after=after)
            scores = loop.store.scores.of([log.id for log in found])
            total = loop.store.logs.search.count(tree).count
        if json:
            for log in found:
                print(orjson.dumps(shapes.log(log, scores[log.id])).decode())
            return
        rows = []
        for log in found:
            rated = ", ".join(f"{score.name}={score.value}" for score in scores[log.id] if score.value is not None)
            latency = "-" if log.latency_ms is None else f"{log.latency_ms:,.0f} ms"
            first = (moment(log.created_at), log.id, one_line(log.model, 24), str(log.status), latency)
            rows.append((*first, one_line(log.input_text, 60), one_line(log.output_text, 60), rated))
        table(("time (UTC)", "log", "model", "status", "latency", "input", "output", "scores"), rows)
        say(f"{len(found):,} of {total:,} logs" + (f"; more: --after {found[-1].id}" if more else ""))

    @group.command()
    def count(where: Where = "") -> None:
        """How many calls match a filter.

        Example: tuneloop logs count --where "score.rating = bad and created_at > now-7d"
        """
        from tuneloop import filters

        with opened() as loop:
            say(f"{loop.store.logs.search.count(filters.parse(where)).count:,}")


def _read_one(group: typer.Typer) -> None:
    @group.command()
    def show(log: Annotated[str, typer.Argument(help="Id of the log, or the id inside its response.")]) -> None:
        """Show one call with everything known of it, as JSON."""
        from tuneloop.api import shapes

        with opened() as loop:
            found = loop.store.logs.get(log)
            scores = loop.store.scores.of([found.id])[found.id]
        console.print_json(data=shapes.log(found, scores))

    @group.command("lineage")
    def show_lineage(log: Annotated[str, typer.Argument(help="Id of the log, or the id inside its response.")]) -> None:
        """Show the data sets that have a call as a row, and the models that were tuned on them, as JSON."""
        from tuneloop import lineage
        from tuneloop.api import shapes

        with opened() as loop:
            console.print_json(data=shapes.lineage(lineage.of_log(loop.store, log)))


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidInput(f"expected KEY=VALUE, not {text!r}")
        pairs[key] = value
    return pairs
