"""Who may see the pages: a browser that has signed in, by a secret in the URL or on a page of its own.

The cookie is no script's, goes to no other site, and is only what it is kept as: a random text whose hash is in the
store. An open page's connection (a web socket) is let in by the same cookie, and only from a page of this server.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import anyio.to_thread
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tuneloop import people
from tuneloop.errors import Unauthorized
from tuneloop.pages import text
from tuneloop.person_types import Session
from tuneloop.store import Store

COOKIE = "tuneloop_session"
#: where a page's parts lie: libraries and styles, the same for everybody
PARTS = ("/_nicegui/", "/ui/")
#: but what is sent up from an open page, and what NiceGUI makes for it
_PRIVATE = "/_nicegui/client/"
SIGN_IN, SIGN_OUT = "/sign-in", "/sign-out"
#: seconds that a cookie is believed before it is looked up again: an open page asks for many things at once
_BELIEVED = 5.0
_MOST_BYTES = 10_000


class Door:
    """Lets browsers in to the pages of `app`. `opens` says whether a secret that is nobody's link opens everything."""

    def __init__(self, app: ASGIApp, *, store: Store, opens: Callable[[str], bool]) -> None:
        self._app = app
        self._store = store
        self._opens = opens
        self._known: dict[str, tuple[float, Session]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or _is_part(scope["path"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            answer = await self._answer(Request(scope, receive))
            await (answer or self._app)(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = HTTPConnection(scope)
        origin = connection.headers.get("origin")
        ours = origin is None or urlsplit(origin).netloc == connection.headers.get("host")
        if not ours or await self._session(connection) is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    async def _answer(self, request: Request) -> Response | None:
        """What is said at the door; None lets in."""
        path = request.url.path
        if path == SIGN_IN:
            return await self._sign_in(request)
        if path == SIGN_OUT:
            return await self._sign_out(request)
        if (secret := request.query_params.get("token")) is not None:
            left = [(name, value) for name, value in parse_qsl(request.url.query) if name != "token"]
            return await self._let_in(request, secret, path + (f"?{urlencode(left)}" if left else ""))
        session = await self._session(request)
        if session is None:
            wanted = path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{SIGN_IN}?to={quote(wanted, safe='')}", 303)
        request.scope["tuneloop.session"] = session
        return None

    async def _session(self, request: HTTPConnection) -> Session | None:
        cookie = request.cookies.get(COOKIE)
        if not cookie:
            return None
        since, found = self._known.get(cookie, (0.0, None))
        if time.monotonic() - since < _BELIEVED:
            return found
        found = await anyio.to_thread.run_sync(people.session, self._store, cookie)
        self._known.pop(cookie, None)
        if found is not None:
            self._known[cookie] = (time.monotonic(), found)
        return found

    async def _sign_in(self, request: Request) -> Response:
        to = _inside(request.query_params.get("to", "/"))
        if request.method != "POST":
            return _page(to)
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return _page(to, "That is too long to be a key.")
        return await self._let_in(request, dict(parse_qsl(body.decode("utf-8", "replace"))).get("secret", ""), to)

    async def _let_in(self, request: Request, secret: str, to: str) -> Response:
        try:
            cookie = await anyio.to_thread.run_sync(people.sign_in, self._store, secret.strip(), self._opens)
        except Unauthorized as error:
            return _page(to, error.message)
        answer = RedirectResponse(to, 303)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=int(people.LASTS),
            httponly=True,
            samesite="lax",
            secure=request.url.scheme == "https",
        )
        return answer

    async def _sign_out(self, request: Request) -> Response:
        if request.method == "POST" and (cookie := request.cookies.get(COOKIE)):
            self._known.pop(cookie, None)
            await anyio.to_thread.run_sync(people.sign_out, self._store, cookie)
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE)
        return answer


def _is_part(path: str) -> bool:
    return path.startswith(PARTS) and not path.startswith(_PRIVATE)


def _inside(url: str) -> str:
    """A URL of this server, whatever was asked for."""
    return url if url.startswith("/") and not url.startswith(("//", "/\\")) else "/"


def _page(to: str, wrong: str | None = None) -> Response:
    """The page on which a secret is typed; it works without scripts."""
    told = f'<p role="alert" id="wrong" class="wrong">{text(wrong)}</p>' if wrong else ""
    wrongs = ' aria-invalid="true" aria-describedby="wrong"' if wrong else ""
    body = f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in · Tuneloop</title>
<link rel="icon" href="/ui/favicon.svg"><link rel="stylesheet" href="/ui/style.css">
<link rel="stylesheet" href="/ui/sign-in.css"></head><body class="sign-in"><main class="card">
<header><img src="/ui/favicon.svg" alt="" width="32" height="32"><h1>Tuneloop</h1></header>
<p class="dim">Open the link that you were sent, or that <code>tuneloop serve</code> printed; or give an API key.</p>
<form method="post" action="{SIGN_IN}?to={text(quote(to, safe=""))}">
<label for="secret">Key</label>
<input id="secret" name="secret" type="password" autocomplete="current-password" autofocus required{wrongs}>
{told}<button class="button main" type="submit">Sign in</button></form></main></body></html>"""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return HTMLResponse(body, 401 if wrong else 200, headers)
