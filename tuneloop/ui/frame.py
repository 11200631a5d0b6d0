"""The frame of every page: who is there, where one is, and what happens when something is wrong."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from nicegui import ui
from starlette.requests import Request

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.loop import Loop
from tuneloop.ui import parts
from tuneloop.ui.here import Here

#: the pages that one goes to by name, in the order of the loop
PLACES = (
    ("Home", "/"),
    ("Logs", "/logs"),
    ("Data sets", "/datasets"),
    ("Tune", "/tune"),
    ("Compare", "/compare"),
    ("Models", "/models"),
    ("Playground", "/playground"),
    ("Settings", "/settings"),
)

STATIC = Path(__file__).parent / "static"
#: the common style, then that of each page
_NAMES = ["style.css", *sorted(file.name for file in STATIC.glob("*.css") if file.name != "style.css")]
_STYLES = "".join(f'<link rel="stylesheet" href="/ui/{name}">' for name in _NAMES)

_logger = logging.getLogger(__name__)

Build = Callable[[Here], Awaitable[None]]


class Page(NamedTuple):
    """A page, before it is known to a server."""

    path: str
    title: str
    build: Build


def page(path: str, title: str) -> Callable[[Build], Page]:
    """Makes a Page of a function that fills it."""
    return lambda build: Page(path, title, build)


def install(known: Page, loop: Loop) -> None:
    """Let a page be seen at its path."""
    ui.page(known.path, title=f"{known.title} · Tuneloop", response_timeout=20)(view(known, loop))


def view(known: Page, loop: Loop) -> Callable[[Request], Awaitable[None]]:
    """What draws a page in its frame for each who asks for it."""

    async def shown(request: Request) -> None:
        here = Here(loop, request)
        ui.add_head_html(_STYLES)
        ui.on_exception(_tell)
        _header(here)
        with ui.element("div").classes("page").props('id="main" tabindex="-1"'):  # Quasar's page is the main
            await _fill(known, here)

    return shown


@page("", "Not here")
async def nowhere(here: Here) -> None:
    """What is shown at a path that no page has."""
    raise NotFound(f"There is no page {here.path}")


def _header(here: Here) -> None:
    with ui.element("header").classes("top"):
        ui.link("Skip to content", "#main").classes("skip")
        ui.link("Tuneloop", "/").classes("name")
        with ui.element("nav").props('aria-label="Pages"'):
            for name, path in PLACES:
                link = ui.link(name, path)
                is_here = here.path == path or (path != "/" and here.path.startswith(f"{path}/"))
                if is_here:
                    link.props('aria-current="page"')
        with ui.element("form").props('method="post" action="/sign-out"').classes("who"):
            parts.text("span", here.session.name, "dim")
            with ui.element("button").props('type="submit"').classes("link"):
                parts.text("span", "Sign out")


async def _fill(known: Page, here: Here) -> None:
    try:
        await known.build(here)
    except NotFound as error:
        ui.status_code(404)
        parts.wrong("There is no such thing", error.message)
    except TuneloopError as error:
        ui.status_code(error.status)
        parts.wrong("That did not work", error.message)
    except Exception as error:
        _logger.exception("the page %s failed", here.path)
        ui.status_code(500)
        parts.wrong("Something is wrong on our side", f"{type(error).__name__}: {error}")


def is_fault(record: logging.LogRecord) -> bool:
    """Whether something is wrong with us: what a click cannot do is said where it was clicked."""
    return not (record.exc_info and isinstance(record.exc_info[1], TuneloopError))


def _tell(error: Exception) -> None:
    """What went wrong after a click is said where it was clicked."""
    if isinstance(error, TuneloopError):
        ui.notify(error.message, type="negative")
        return
    _logger.error("a page failed", exc_info=error)
    ui.notify(f"Something is wrong on our side: {type(error).__name__}: {error}", type="negative")
