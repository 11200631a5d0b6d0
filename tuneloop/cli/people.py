"""tuneloop people: list, invite, role, remove."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from tuneloop.cli.console import moment, say, table
from tuneloop.cli.context import opened

Role = Annotated[str, typer.Argument(help="viewer (looks), reviewer (scores, too) or owner (does everything).")]
Id = Annotated[str, typer.Argument(help="Their id, as `tuneloop people list` has it.")]


def add(app: typer.Typer) -> None:
    """Put the commands into the application."""
    group = typer.Typer(no_args_is_help=True, help="Who may sign in to the web page.")
    app.add_typer(group, name="people")
    _read(group)
    _change(group)


def _read(group: typer.Typer) -> None:
    @group.command("list")
    def list_people() -> None:
        """List who may sign in, and in how many browsers they have."""
        from tuneloop import people

        with opened() as loop:
            found, signed_in = loop.store.people.all(), people.signed_in(loop.store)
        if not found:
            say("Nobody yet but whoever has an API key: tuneloop people invite NAME")
            return
        of = {person.id: [one.created_at for one in signed_in if one.person_id == person.id] for person in found}
        rows = [
            (
                one.id,
                one.name,
                one.role,
                moment(one.created_at),
                str(len(of[one.id])),
                moment(max(of[one.id], default=None)),
            )
            for one in found
        ]
        table(("id", "name", "role", "invited (UTC)", "browsers", "signed in (UTC)"), rows)


def _change(group: typer.Typer) -> None:
    @group.command()
    def invite(
        name: Annotated[str, typer.Argument(help="What they are called.")],
        role: Annotated[str, typer.Option(help="viewer, reviewer or owner.")] = "viewer",
    ) -> None:
        """Let somebody sign in, by a link that is shown only now.

        Example: tuneloop people invite Ann --role reviewer
        """
        from tuneloop import people

        with opened() as loop:
            url = loop.server() or f"http://{loop.settings.host}:{loop.settings.port}/v1"
            made, secret = people.invite(loop.store, name, role)
        say(f"The link for {escape(made.name)} ({made.role}), shown only now: [bold cyan]{people.link(url, secret)}[/]")

    @group.command("role")
    def change_role(person: Id, role: Role) -> None:
        """Give somebody another role, at once wherever they are signed in."""
        from tuneloop import people

        with opened() as loop:
            made = people.change(loop.store, person, role)
        say(f"{escape(made.name)} is {made.role} now")

    @group.command()
    def remove(person: Id) -> None:
        """Let somebody in no longer. They are signed out everywhere."""
        from tuneloop import people

        with opened() as loop:
            people.remove(loop.store, person)
        say(f"{person} is signed out and may sign in no longer")
