"""What a page knows: the loop's parts, who looks at it, its URL, and how work is done beside the event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from nicegui import ui
from starlette.requests import Request

from tuneloop.errors import TuneloopError
from tuneloop.loop import Loop
from tuneloop.person_types import Role, Session

T = TypeVar("T")


class NotAllowed(TuneloopError):
    """Somebody's role does not reach so far."""

    status = 403
    code = "not_allowed"


class Here:
    """One page in one browser's window."""

    def __init__(self, loop: Loop, request: Request) -> None:
        self.loop = loop
        self.session: Session = request.scope["tuneloop.session"]
        self.path = request.url.path
        #: parts of the path that vary, and the query: what the page shows, so that its URL can be shared
        self.names: Mapping[str, Any] = request.path_params
        self.query: dict[str, str] = dict(request.query_params)

    async def do(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run blocking work (every query is) beside the event loop."""
        return await self.loop.in_thread(lambda: work(*arguments, **named))

    async def allowed(self, role: Role) -> None:
        """Raises NotAllowed unless this browser is still signed in, as somebody who may do that."""
        now = await self.do(self.loop.store.people.sessions.find, self.session.id)
        if now is None or not now.may(role):
            raise NotAllowed(f"That takes the role {role}; you are signed in as {now.role if now else 'nobody'}.")

    def may(self, role: Role) -> bool:
        """Whether what takes this role is shown as possible."""
        return self.session.may(role)

    def remember(self, **query: str | None) -> None:
        """Keep what the page shows in its URL: reloaded or shared, it shows the same."""
        for name, value in query.items():
            if value:
                self.query[name] = value
            else:
                self.query.pop(name, None)
        ui.navigate.history.replace(self.url())

    def url(self, **query: str | None) -> str:
        """The page's URL with some of its query changed."""
        whole = {**self.query, **query}
        known = {name: value for name, value in whole.items() if value}
        return quote(self.path, safe="/:@") + (f"?{urlencode(known)}" if known else "")
