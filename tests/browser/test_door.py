"""The door and the frame, in a real browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.server import KEY, Server
from tests.browser.windows import LAPTOP, PHONE, window


def test_signing_in_and_out(browser: Browser, server: Server) -> None:
    with window(browser, server, key=None) as at:
        at.page.goto(f"{at.base}/?x=1")
        expect(at.page.get_by_role("heading", name="Tuneloop")).to_be_visible()
        assert not at.barriers()
        at.page.get_by_label("Key").fill(KEY)
        at.click("Sign in")
        at.ready()
        assert at.page.url == f"{at.base}/?x=1"
        at.click("Sign out")
        expect(at.page.get_by_label("Key")).to_be_visible()
        at.page.goto(f"{at.base}/")
        expect(at.page.get_by_label("Key")).to_be_visible()


def test_a_link_that_is_wrong_says_so(browser: Browser, server: Server) -> None:
    with window(browser, server, key=None) as at:
        at.page.goto(f"{at.base}/?token=guess")
        expect(at.page.get_by_role("alert")).to_contain_text("taken back")
        at.faults = [fault for fault in at.faults if "401" not in fault]


def test_a_page_that_is_open_outlives_the_server(browser: Browser, server: Server) -> None:
    with window(browser, server) as at:
        at.sees("Point your application's OpenAI client here")
        server.stop()
        server.start()
        server.client.call("POST", "/logs", {"messages": [{"role": "user", "content": "q"}], "completion": "a"})
        at.sees("Rate some more", seconds=30)
        at.ready()
        at.faults.clear()  # that the server was away is told in the console


@pytest.mark.parametrize("width", [PHONE, LAPTOP])
@pytest.mark.parametrize("dark", [False, True])
def test_nobody_is_kept_out(browser: Browser, server: Server, width: int, dark: bool) -> None:
    with window(browser, server, width=width, dark=dark) as at:
        at.open("/")
        assert not at.barriers()
        assert at.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_keyboard_reaches_the_content(browser: Browser, server: Server) -> None:
    with window(browser, server) as at:
        at.open("/")
        at.page.keyboard.press("Tab")
        assert at.page.evaluate("document.activeElement.textContent") == "Skip to content"
        at.page.keyboard.press("Enter")
        assert at.page.evaluate("document.activeElement.id") == "main"
