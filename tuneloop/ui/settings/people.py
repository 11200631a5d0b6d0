"""Who may sign in: invited by a link, with a role each, and who is signed in since when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from tuneloop import keys, people
from tuneloop.person_types import ROLES, ApiKey, Person, Session
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here
from tuneloop.ui.settings.things import once, thing, things
from tuneloop.ui.tables import ago

_ROLES = {
    "viewer": "Viewer: looks",
    "reviewer": "Reviewer: scores and corrects answers, too",
    "owner": "Owner: does everything",
}


class _Found(NamedTuple):
    people: list[Person]
    signed_in: list[Session]
    keys: list[ApiKey]


async def show(here: Here) -> None:
    """Fill the part."""

    async def look() -> None:
        shown.show(await here.do(_find, here))

    parts.heading("People", "Each has a link that signs them in, and a role. Whoever has an API key is an owner, too.")
    with parts.card():
        shown = parts.live(lambda found: _list(here, found, look), await here.do(_find, here))
        if here.may("owner"):
            parts.button("Invite somebody", _invite(here, look).open, "main").classes("start")


def _find(here: Here) -> _Found:
    store = here.loop.store
    return _Found(store.people.all(), people.signed_in(store), keys.listed(store, None))


def _list(here: Here, found: _Found, look: Callable[[], Awaitable[None]]) -> None:
    if not found.people:
        parts.text("p", "Nobody is invited yet.", "dim")
    with things("People"):
        for person in found.people:
            since = [one.created_at for one in found.signed_in if one.person_id == person.id]
            you = " (you)" if person.id == here.session.person_id else ""
            with thing(f"{person.name}{you}", _since(since)):
                if here.may("owner"):
                    _role(here, person, look)
                    label = f"Remove {person.name}"
                    parts.button("Remove", partial(_remove, here, person, look), "danger", label=label)
                else:
                    parts.badge(person.role)
    others = _others(here, found)
    if others:
        parts.text("h3", "Signed in with a key, or the server's own link")
        with things("Others who are signed in"):
            for name, since in others.items():
                thing(name, _since(since))


def _others(here: Here, found: _Found) -> dict[str, list[float]]:
    """When those have signed in who are nobody invited, by what they came with."""
    invited = {person.id for person in found.people}
    named = {key.id: f"The key {key.name}" for key in found.keys}
    since: dict[str, list[float]] = {}
    for one in found.signed_in:
        if one.person_id not in invited:
            since.setdefault(named.get(one.person_id or "", "The server's link or preset key"), []).append(
                one.created_at
            )
    return since


def _since(moments: list[float]) -> str:
    if not moments:
        return "not signed in"
    browsers = "" if len(moments) == 1 else f" in {len(moments)} browsers"
    return f"signed in{browsers}, last {ago(max(moments))}"


def _role(here: Here, person: Person, look: Callable[[], Awaitable[None]]) -> None:
    async def change(role: str) -> None:
        await here.allowed("owner")
        await here.do(people.change, here.loop.store, person.id, role)
        parts.tell(f"{person.name} is {role} now")
        await look()

    field = forms.choice("Role", list(ROLES), person.role, change=change)
    field.classes("role").props["aria-label"] = f"Role of {person.name}"


async def _remove(here: Here, person: Person, look: Callable[[], Awaitable[None]]) -> None:
    await here.allowed("owner")
    if await forms.sure(f"Remove {person.name}?", "They are signed out, and their link is good no longer.", "Remove"):
        await here.do(people.remove, here.loop.store, person.id)
        await look()


def _invite(here: Here, look: Callable[[], Awaitable[None]]) -> forms.Dialog:
    async def invite() -> None:
        await here.allowed("owner")
        made, secret = await here.do(people.invite, here.loop.store, name.value or "", role.value)
        name.set_value("")
        dialog.close()
        await look()
        why = "Send it to them. Whoever has it can sign in, and it is not shown again."
        once(f"The link for {made.name}", why, people.link(here.loop.url or "", secret), "the link")

    with forms.Dialog("Invite somebody") as dialog:
        name = forms.line("Name", hint="what they are called here")
        role = forms.choice("Role", _ROLES, "viewer")
        with parts.row("end"):
            parts.button("Not now", dialog.close)
            parts.button("Make a link", invite, "main")
    return dialog
