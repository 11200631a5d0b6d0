"""tuneloop prompts: list, show, save, import, diff, render, of, delete, and the library of starters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from tuneloop.cli import playground
from tuneloop.cli.console import console, moment, say, table
from tuneloop.cli.context import opened
from tuneloop.errors import InvalidInput

if TYPE_CHECKING:
    from tuneloop.prompts import Draft, Prompt
    from tuneloop.store import Store

Named = Annotated[str, typer.Argument(help="NAME for the newest version, or NAME@VERSION.", show_default=False)]
Values = Annotated[
    list[str] | None, typer.Option("--set", help="VARIABLE=VALUE, or VARIABLE=@FILE for a file's text; repeatable.")
]
Note = Annotated[str | None, typer.Option(help="What is new in it, for the list of versions.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Prompts: named, versioned templates with variables.")
    app.add_typer(group, name="prompts")
    _read(group)
    _tell(group)
    _make(group)
    _use(group)
    playground.add(group)
    _library(group)


def _read(group: typer.Typer) -> None:
    @group.command("list")
    def list_prompts(
        name: Annotated[str | None, typer.Argument(help="Every version of this prompt.")] = None,
        limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=1000)] = 100,
    ) -> None:
        """List the prompts, each with its newest version; or the versions of one."""
        from tuneloop import prompts

        with opened() as loop:
            table_of = loop.store.prompts
            if name is None:
                found, _ = table_of.newest(limit=limit)
            else:
                found, _ = table_of.history(prompts.find(loop.store, name).name, limit=limit)
        rows = [
            (one.reference, moment(one.created_at), one.model or "-", ", ".join(prompts.variables(one)), one.note or "")
            for one in found
        ]
        table(("prompt", "saved (UTC)", "model", "variables", "note"), rows)
        if not rows:
            say("none yet: `tuneloop prompts starters` has some to begin with, `tuneloop prompts import` takes yours")

    @group.command()
    def show(
        name: Named,
        json: Annotated[bool, typer.Option("--json", help="As the API has it.")] = False,
    ) -> None:
        """Show a version as a text that `tuneloop prompts save` reads back.

        Example: tuneloop prompts show support@2
        """
        from tuneloop import prompts
        from tuneloop.api.prompts import shape
        from tuneloop.prompts import text_form

        with opened() as loop:
            found = prompts.find(loop.store, name)
        if json:
            console.print_json(data=shape(found))
        else:
            sys.stdout.write(text_form.write(found))


def _tell(group: typer.Typer) -> None:
    @group.command()
    def diff(
        before: Annotated[str, typer.Argument(help="NAME alone: its newest version and the one before.")],
        after: Annotated[str | None, typer.Argument(help="NAME or NAME@VERSION.")] = None,
    ) -> None:
        """Show what has changed from one version to another.

        Example: tuneloop prompts diff support@1 support@3
        """
        from tuneloop import prompts

        with opened() as loop:
            if after is None:
                new = prompts.find(loop.store, before)
                old = prompts.find(loop.store, f"{new.name}@{_one_before(loop.store, new)}")
            else:
                old, new = prompts.find(loop.store, before), prompts.find(loop.store, after)
        changed = prompts.diff(old, new)
        sys.stdout.write(changed or f"{old.reference} and {new.reference} say the same\n")

    @group.command()
    def of(log: Annotated[str, typer.Argument(help="Id of the log, or the id inside its response.")]) -> None:
        """Say which version made a call: the one it was asked with, else the one whose text its messages have."""
        from tuneloop import prompts

        with opened() as loop:
            found = loop.store.logs.get(log)
            prompt = prompts.of_log(loop.store, found)
        if prompt is None:
            say(f"no version that is kept made {found.id}; `tuneloop prompts import NAME {found.id}` makes one of it")
        else:
            say(f"{prompt.reference}{'' if found.prompt else ' (by its text)'}")


def _make(group: typer.Typer) -> None:
    @group.command()
    def save(
        name: Annotated[str, typer.Argument(help="Name of the prompt.")],
        file: Annotated[
            Path, typer.Argument(help="A text (see `show`), or JSON as the API takes it; - reads standard input.")
        ],
        model: Annotated[str | None, typer.Option(help="What answers where a call names no model.")] = None,
        parameter: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, such as temperature=0.2.")] = None,
        values: Values = None,
        note: Note = None,
    ) -> None:
        """Save a version. What says the same as a version that there is, is that version.

        Variables that are set are written into it, the others stay.

        Example: tuneloop prompts save support support.txt --parameter temperature=0.2
        """
        from tuneloop import prompts

        body: dict[str, Any] = {**_content(file), "name": name}
        body |= {key: value for key, value in (("model", model), ("note", note)) if value is not None}
        if parameter:
            body["parameters"] = {**(body.get("parameters") or {}), **playground.parameters(parameter)}
        _save(prompts.fix(prompts.read(body), playground.pairs(values)))

    @group.command("import")
    def import_prompt(
        name: Annotated[str, typer.Argument(help="Name of the prompt.")],
        logs: Annotated[
            list[str] | None, typer.Argument(help="Ids of logs, or the ids inside their responses.")
        ] = None,
        where: Annotated[str, typer.Option(help="In place of ids: the newest logs that match a filter.")] = "",
        keep_input: Annotated[bool, typer.Option("--keep-input", help="Keep the last user message as it is.")] = False,
        note: Note = None,
    ) -> None:
        """Make a prompt of what your application sends: system messages become the template, the user's {{input}}.

        Of several logs, the parts that differ become variables.

        Example: tuneloop prompts import support --where "metadata.feature = support"
        """
        from tuneloop import filters, prompts

        with opened() as loop:
            if logs:
                found = [loop.store.logs.get(one) for one in logs]
            elif where:
                found, _ = loop.store.logs.page(filters.parse(where), limit=prompts.MOST_LOGS)
            else:
                raise InvalidInput("give the ids of logs, or --where FILTER")
            draft = prompts.from_logs(name, found, keep_input=keep_input, note=note)
        _save(draft)

    @group.command()
    def delete(name: Named) -> None:
        """Delete a version, or with NAME alone a prompt with all its versions. The calls they made stay."""
        from tuneloop import prompts

        with opened() as loop:
            gone = prompts.delete(loop.store, name)
        say(f"{name}: {gone} {'version' if gone == 1 else 'versions'} deleted")


def _use(group: typer.Typer) -> None:
    @group.command()
    def render(
        name: Named,
        values: Values = None,
    ) -> None:
        """Fill a version in, and write the chat request that it makes.

        Example: tuneloop prompts render support --set company=Acme --set input=@question.txt
        """
        from tuneloop import prompts

        with opened() as loop:
            request = prompts.request(prompts.find(loop.store, name), playground.pairs(values))
        console.print_json(data=request)


def _library(group: typer.Typer) -> None:
    @group.command()
    def starters() -> None:
        """List good prompts to start from."""
        from tuneloop.prompts import starters as library

        rows = [(one.name, one.title, ", ".join(one.variables)) for one in library.all_of_them()]
        table(("starter", "what it does", "variables"), rows)
        say("`tuneloop prompts start NAME` copies one; with --short the one for a model that was tuned on it")

    @group.command()
    def start(
        name: Annotated[str, typer.Argument(help="One of `tuneloop prompts starters`.")],
        called: Annotated[str | None, typer.Option("--as", help="Name of your prompt; default: the same.")] = None,
        short: Annotated[bool, typer.Option("--short", help="The few words that are enough after tuning.")] = False,
        values: Values = None,
    ) -> None:
        """Copy a starter as a prompt of yours. Variables that are set are written into it, the others stay.

        Example: tuneloop prompts start customer-service --as support --set company=Acme
        """
        from tuneloop import prompts
        from tuneloop.prompts import starters as library

        starter = library.load(name)
        prompt = _save(library.draft(starter, called or name, short=short, values=playground.pairs(values)))
        say(f"\n{escape(starter.advice)}")
        for variable in prompts.variables(prompt):
            say(f"  {variable}: {starter.variables[variable]}")


def _save(draft: Draft) -> Prompt:
    from tuneloop import prompts

    with opened() as loop:
        made, is_new = prompts.save(loop.store, draft)
    names = prompts.variables(made)
    about = f", with {', '.join(names)}" if names else ""
    say(f"[bold]{made.reference}[/] {'saved' if is_new else 'says this already'}{about}")
    if is_new:
        say(f'  tuneloop prompts show {made.name} shows it, tuneloop prompts try {made.name} --input "..." tries it')
    return made


def _content(file: Path) -> dict[str, Any]:
    """The fields of a file: JSON, an object or messages alone; else the text form."""
    from tuneloop import calls
    from tuneloop.gateway.wire import parse_json
    from tuneloop.prompts import text_form

    raw = playground.read(file)
    if file.suffix != ".json" and not isinstance(calls.parse(raw.encode()), dict | list):
        return text_form.read(raw)
    found = parse_json(raw.encode())
    return found if isinstance(found, dict) else {"messages": found}


def _one_before(store: Store, prompt: Prompt) -> int:
    earlier = [number for number in store.prompts.versions(prompt.name) if number < prompt.version]
    if not earlier:
        raise InvalidInput(f"{prompt.reference} is the only version: there is nothing before it")
    return earlier[-1]
