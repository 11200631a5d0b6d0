"""Pages in process, for tests: a real store, real pages, a user without a browser."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from nicegui import Client
from nicegui.testing import User
from nicegui.testing.general import nicegui_reset_globals

from tuneloop import people, ui
from tuneloop.loop import Loop
from tuneloop.ui.door import COOKIE


@asynccontextmanager
async def user_of(loop: Loop, role: str = "owner") -> AsyncIterator[User]:
    """Somebody of that role, signed in to the pages of a loop."""
    _, secret = people.invite(loop.store, "Ann", role)
    cookie = people.sign_in(loop.store, secret, lambda _: False)
    with nicegui_reset_globals():
        os.environ["NICEGUI_USER_SIMULATION"] = "true"
        try:
            site = ui.site(loop)
            async with site.router.lifespan_context(site):
                client = httpx.AsyncClient(
                    transport=httpx.ASGITransport(site), base_url="http://test", cookies={COOKIE: cookie}
                )
                async with client:
                    yield User(client)
        finally:
            os.environ.pop("NICEGUI_USER_SIMULATION")
            Client.page_routes.clear()  # or NiceGUI has Python forget the modules that they are in
