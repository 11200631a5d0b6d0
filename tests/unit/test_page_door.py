"""The door of the pages: who is let in, how, and what is told to programs instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from tuneloop import people
from tuneloop.store import Store
from tuneloop.ui.door import COOKIE, Door
from tuneloop.ui.front import Front

KEY = "tl-key"
HTML = {"accept": "text/html,*/*"}


async def who(request: Request) -> PlainTextResponse:
    session = request.scope["tuneloop.session"]
    return PlainTextResponse(f"{session.name} {session.role} {request.url.query}")


async def parts(request: Request) -> PlainTextResponse:
    return PlainTextResponse("a style")


async def connection(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@pytest.fixture
def browser(sqlite_store: Store) -> Iterator[TestClient]:
    routes = [
        Route("/ui/style.css", parts),
        Route("/{path:path}", who),
        WebSocketRoute("/_nicegui_ws/socket.io/", connection),
    ]
    site = Door(Starlette(routes=routes), store=sqlite_store, opens=lambda secret: secret == KEY)
    api = Starlette(
        routes=[Route("/{path:path}", lambda request: PlainTextResponse("the API"), methods=["GET", "POST"])]
    )
    with TestClient(Front(api, site), follow_redirects=False) as client:
        client.headers.update(HTML)
        yield client


def test_a_stranger_is_sent_to_the_door_and_then_to_where_they_wanted(browser: TestClient) -> None:
    sent = browser.get("/logs?where=a+%3D+1")
    assert sent.status_code == 303
    assert sent.headers["location"] == "/sign-in?to=%2Flogs%3Fwhere%3Da%2B%253D%2B1"
    page = browser.get(sent.headers["location"])
    assert page.status_code == 200 and 'name="secret"' in page.text and COOKIE not in page.headers.get("set-cookie", "")
    wrong = browser.post(sent.headers["location"], data={"secret": "guess"})
    assert wrong.status_code == 401 and "taken back" in wrong.text and "guess" not in wrong.text
    right = browser.post(sent.headers["location"], data={"secret": KEY})
    assert (right.status_code, right.headers["location"]) == (303, "/logs?where=a+%3D+1")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and KEY not in cookie
    assert browser.get("/logs?where=a").text == "owner owner where=a"


def test_a_secret_in_the_url_does_not_stay_there(browser: TestClient) -> None:
    sent = browser.get(f"/logs?where=x&token={KEY}")
    assert (sent.status_code, sent.headers["location"]) == (303, "/logs?where=x")
    assert browser.get("/logs?where=x").text == "owner owner where=x"
    assert browser.get("/?token=wrong").status_code == 401


def test_a_person_comes_by_a_link_and_goes(browser: TestClient, sqlite_store: Store) -> None:
    ann, secret = people.invite(sqlite_store, "Ann", "viewer")
    browser.get(f"/?token={secret}")
    assert browser.get("/").text == "Ann viewer "
    out = browser.post("/sign-out")
    assert out.headers["location"] == "/sign-in"
    assert browser.get("/").status_code == 303
    assert not sqlite_store.people.sessions.all()


def test_a_cookie_that_is_made_up_lets_nobody_in(browser: TestClient) -> None:
    browser.cookies.set(COOKIE, "made-up")
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_sent_up_from_a_page_wants_the_cookie(browser: TestClient, method: str) -> None:
    assert browser.request(method, "/_nicegui/client/1234/upload/5").status_code == 303
    assert browser.request(method, "/ui/style.css").status_code != 303


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_sent_to_another_site(browser: TestClient, to: str) -> None:
    sent = browser.post("/sign-in", params={"to": to}, data={"secret": KEY})
    assert sent.headers["location"] == "/"


def test_what_is_too_long_for_a_key(browser: TestClient) -> None:
    assert browser.post("/sign-in", data={"secret": "x" * 20_000}).status_code == 401
    assert browser.get("/").status_code == 303


def test_the_connection_of_a_page_wants_the_cookie_and_a_page_of_ours(browser: TestClient) -> None:
    def hello(origin: str | None) -> str:
        headers = {"origin": origin} if origin else {}
        with browser.websocket_connect("/_nicegui_ws/socket.io/", headers=headers) as socket:
            return str(socket.receive_text())

    with pytest.raises(WebSocketDisconnect):
        hello(None)
    browser.get(f"/?token={KEY}")
    assert hello("http://testserver") == "hello"
    with pytest.raises(WebSocketDisconnect):
        hello("http://evil.example")


@pytest.mark.parametrize(
    ("method", "path", "accept", "page"),
    [
        ("GET", "/logs", "text/html", True),
        ("GET", "/logs", "application/json", False),
        ("POST", "/chat/completions", "text/html", False),
        ("GET", "/v1/logs", "text/html", False),
        ("GET", "/health", "text/html", False),
        ("GET", "/docs", "text/html", False),
        ("GET", "/ui/style.css", "text/css", True),
        ("HEAD", "/", "text/html", True),
    ],
)
def test_what_is_a_page(browser: TestClient, method: str, path: str, accept: str, page: bool) -> None:
    answer = browser.request(method, path, headers={"accept": accept})
    assert (answer.text != "the API") == page
