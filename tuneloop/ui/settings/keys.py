"""API keys: what there are, a new one, and one taken back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tuneloop import keys
from tuneloop.person_types import ApiKey
from tuneloop.ui import forms, parts
from tuneloop.ui.here import Here
from tuneloop.ui.settings.things import once, thing, things
from tuneloop.ui.tables import ago


async def show(here: Here) -> None:
    """Fill the part."""

    async def find() -> list[ApiKey]:
        return await here.do(keys.listed, here.loop.store, here.loop.settings.api_key)

    async def look() -> None:
        shown.show(await find())

    parts.heading("API keys", "What programs call with. A key is shown when it is made, and kept nowhere.")
    with parts.card():
        shown = parts.live(lambda found: _list(here, found, look), await find())
        if here.may("owner"):
            make = _make(here, look)
            parts.button("Make a key", make.open, "main").classes("start")


def _list(here: Here, found: list[ApiKey], look: Callable[[], Awaitable[None]]) -> None:
    if not found:
        parts.text("p", "There is no key: no program can call. Make one.", "dim")
    with things("API keys"):
        for key in found:
            with thing(key.name, _known(key)):
                if key.id == keys.PRESET:
                    parts.badge("set by the environment")
                elif here.may("owner"):
                    label = f"Take back the key {key.name}"
                    parts.button("Take back", lambda key=key: _take_back(here, key, look), "danger", label=label)


def _known(key: ApiKey) -> str:
    if key.id == keys.PRESET:
        return "Preset. Change the variable and start again to have another."
    used = f"last used {ago(key.used_at)}" if key.used_at else "not used yet"
    return f"{key.hint} · made {ago(key.created_at)} · {used}"


async def _take_back(here: Here, key: ApiKey, look: Callable[[], Awaitable[None]]) -> None:
    await here.allowed("owner")
    why = "Programs that call with it are refused at once. Browsers that signed in with it are signed out."
    if await forms.sure(f"Take back {key.name}?", why, "Take back"):
        await here.do(keys.delete, here.loop.store, key.id)
        here.loop.routes.forget()
        await look()


def _make(here: Here, look: Callable[[], Awaitable[None]]) -> forms.Dialog:
    async def make() -> None:
        await here.allowed("owner")
        made, secret = await here.do(keys.create, here.loop.store, name.value or "")
        here.loop.routes.forget()
        name.set_value("")
        dialog.close()
        await look()
        once(f"The key {made.name}", "Copy it now: it is not shown again.", secret, "the key")

    with forms.Dialog("Make a key") as dialog:
        name = forms.line("Name", hint="what it is for, such as the program that gets it")
        with parts.row("end"):
            parts.button("Not now", dialog.close)
            parts.button("Make it", make, "main")
    return dialog
