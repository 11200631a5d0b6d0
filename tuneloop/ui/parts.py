"""What pages are made of: texts, cards, figures, buttons, and what is shown where there is nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tuneloop import pages

T = TypeVar("T")

#: how much a button wants to be pressed
Weight = Literal["main", "plain", "quiet", "danger"]
Click = Callable[[], Any] | Callable[[], Awaitable[Any]]


def text(tag: str, said: object, classes: str = "") -> TextElement:
    """An HTML element with a text in it."""
    return TextElement(tag=tag, text=str(said)).classes(classes)


def tag(name: str, classes: str = "") -> ui.element:
    """An HTML element; a context manager."""
    return ui.element(name).classes(classes)


def title(said: str, hint: str = "") -> None:
    """What a page is, in one sentence for somebody who has never trained a model."""
    with ui.element("div"):
        text("h1", said)
        if hint:
            text("p", hint, "lead")


def card(classes: str = "") -> ui.element:
    """A surface that things lie on; a context manager."""
    return ui.element("section").classes(f"card {classes}")


def row(classes: str = "") -> ui.element:
    """Things beside each other, below each other where there is no room; a context manager."""
    return ui.element("div").classes(f"row {classes}")


def button(said: str, click: Click | None = None, weight: Weight = "plain", *, label: str = "") -> ui.element:
    """A button; `label` is what it is called where the text alone does not say it."""
    made = ui.element("button").props('type="button"').classes(f"button {weight}")
    if label:
        made.props["aria-label"] = label
    with made:
        text("span", said)
    if click is not None:
        made.on("click", lambda: click())
    return made


def link(said: str, to: str, weight: Weight | None = None) -> ui.link:
    """A link, which looks like a button where it has a weight."""
    made = ui.link(said, to)
    return made.classes(f"button {weight}") if weight else made


def figure(name: str, value: str, hint: str = "", to: str | None = None) -> None:
    """A number and what it is."""
    with ui.element("a" if to else "div").classes("figure card") as made:
        if to:
            made.props["href"] = to
        text("span", name, "dim")
        text("strong", value)
        if hint:
            text("small", hint, "dim")


def empty(said: str, hint: str) -> ui.element:
    """What is shown where there is nothing yet; a context manager for the way out."""
    with ui.element("section").classes("empty") as made:
        text("h2", said)
        text("p", hint, "dim")
    return made


def wrong(said: str, why: str) -> None:
    """What is shown in place of a page that cannot be."""
    with ui.element("section").classes("empty wrong").props('role="alert"'):
        text("h1", said)
        text("p", why)
        link("Go home", "/", "plain")


class Live(Generic[T]):
    """A part of a page that is drawn anew when what it shows has changed, and only then: what is the same keeps its
    focus and its place."""

    def __init__(self, draw: Callable[[T], None], first: T) -> None:
        self._draw = draw
        self._shown: T | None = None
        self._place = ui.element("div").classes("stack").props('aria-live="polite"')
        self.show(first)

    def show(self, found: T) -> None:
        """Show this."""
        if found == self._shown:
            return
        self._shown = found
        self._place.clear()
        with self._place:
            self._draw(found)


def live(draw: Callable[[T], None], first: T) -> Live[T]:
    """A part of the page that `draw` fills, and that can be shown anew."""
    return Live(draw, first)


def every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again while the page is open."""
    ui.timer(seconds, work, immediate=False)


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and what they are, as a list of terms."""
    with tag("dl"):
        for name, value in rows:
            text("dt", name)
            text("dd", value)


def code(said: str) -> None:
    """Lines to copy."""
    with ui.element("div").classes("code"):
        ui.html(f"<pre tabindex='0'><code>{pages.text(said)}</code></pre>", sanitize=False)
        button("Copy", lambda: ui.clipboard.write(said), "quiet", label="Copy these lines")
