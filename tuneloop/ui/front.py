"""What a browser asks for, told from what a program asks for: pages have a door of their own."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from tuneloop.gateway.door import OPEN
from tuneloop.ui.door import PARTS, SIGN_IN, SIGN_OUT

_API = ("/v1/", "/docs/")
#: of NiceGUI: libraries, uploads, and the connection of an open page
_NICEGUI = ("/_nicegui/", "/_nicegui_ws/")


class Front:
    """Hands browsers to `site` and everything else to `api`."""

    def __init__(self, api: ASGIApp, site: ASGIApp) -> None:
        self._api = api
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = self._site if scope["type"] in ("http", "websocket") and is_page(scope) else self._api
        try:
            await wanted(scope, receive, send)
        except RuntimeError as error:
            if str(error) != "No response returned.":  # Starlette's words for a browser that hung up
                raise


def is_page(scope: Scope) -> bool:
    """Whether a request is for a page, a part of one, or its connection."""
    path: str = scope["path"]
    if path.startswith((*PARTS, *_NICEGUI)) or path in (SIGN_IN, SIGN_OUT, "/favicon.ico"):
        return True
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or path in OPEN or path.startswith(_API):
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
