"""A real browser at a real server: windows that remember what went wrong in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.acceptance.server import KEY, Server

#: widths of a phone, a laptop and a large screen
PHONE, LAPTOP, LARGE = 390, 1280, 1920
#: what axe holds pages to
_RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


@dataclass(slots=True)
class Window:
    """A page that is open. `faults` are errors and warnings of its console, uncaught ones and failed requests."""

    page: Page
    base: str
    faults: list[str] = field(default_factory=list)

    @property
    def content(self) -> Locator:
        """The page without its frame."""
        return self.page.locator("#main")

    def open(self, path: str) -> None:
        """Go to a path and wait until the page is there."""
        self.page.goto(self.base + path)
        self.ready()

    def ready(self) -> None:
        """Wait until the page is there and connected."""
        expect(self.page.locator("main h1").first).to_be_visible()
        self.page.wait_for_function("window.socket && window.socket.connected")

    def click(self, name: str, role: Any = "button") -> None:
        """Click what has this name."""
        self.page.get_by_role(role, name=name).first.click()

    def sees(self, text: str, seconds: float = 10) -> None:
        """Wait until a text is there to be seen."""
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=1000 * seconds)

    def barriers(self) -> list[str]:
        """What keeps somebody out who has no mouse, or does not see: axe's violations."""
        found = Axe().run(self.page, options=_RULES).response["violations"]
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
            for one in found
            for node in one["nodes"]
        ]


@contextmanager
def window(
    browser: Browser, server: Server, *, width: int = LAPTOP, dark: bool = False, key: str | None = KEY
) -> Iterator[Window]:
    """A window of a browser of its own, signed in with the key; fails when something went wrong in it."""
    base = server.url.removesuffix("/v1")
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", accept_downloads=True
    )
    page = context.new_page()
    made = Window(page, base)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            made.faults.append(f"{message.type}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: made.faults.append(f"uncaught: {error}"))
    if key is not None:
        page.goto(f"{base}/?token={key}")
        made.ready()
    yield made
    assert not made.faults, made.faults
    context.close()
