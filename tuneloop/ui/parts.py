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
#: what a word says of itself by its colour
Tone = Literal["plain", "accent", "good", "bad", "warn"]
Click = Callable[[], Any] | Callable[[], Awaitable[Any]]


def tag(name: str, classes: str = "") -> ui.element:
    """An HTML element; a context manager."""
    return ui.element(name).classes(classes)


def text(name: str, said: object, classes: str = "") -> TextElement:
    """An HTML element with a text in it."""
    return TextElement(tag=name, text=str(said)).classes(classes)


def title(said: str, hint: str = "") -> None:
    """What a page is, in one sentence for somebody who has never trained a model."""
    with tag("div"):
        text("h1", said)
        if hint:
            text("p", hint, "lead")


def heading(said: str, hint: str = "") -> None:
    """What a part of a page is."""
    with tag("div"):
        text("h2", said)
        if hint:
            text("p", hint, "dim")


def card(classes: str = "stack") -> ui.element:
    """A surface that things lie on, one below the other; a context manager."""
    return tag("section", f"card {classes}")


def row(classes: str = "") -> ui.element:
    """Things beside each other, below each other where there is no room; a context manager."""
    return tag("div", f"row {classes}")


def grid() -> ui.element:
    """Things of the same width beside each other; a context manager."""
    return tag("div", "grid")


def button(said: str, click: Click | None = None, weight: Weight = "plain", *, label: str = "") -> ui.element:
    """A button; `label` is what it is called where the text alone does not say it."""
    made = text("button", said, f"button {weight}").props('type="button"')
    if label:
        made.props["aria-label"] = label
    if click is not None:
        made.on("click", lambda: click())
    return made


def link(said: str, to: str, weight: Weight | None = None) -> ui.link:
    """A link, which looks like a button where it has a weight."""
    made = ui.link(said, to)
    return made.classes(f"button {weight}") if weight else made


def badge(said: str, tone: Tone = "plain") -> None:
    """A word that stands for a state."""
    text("span", said, f"badge {tone}")


def figure(name: str, value: str, hint: str = "", to: str | None = None) -> None:
    """A number and what it is."""
    made = tag("a" if to else "div", "figure card")
    if to:
        made.props["href"] = to
    with made:
        text("span", name, "dim")
        text("strong", value)
        if hint:
            text("small", hint, "dim")


def pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Names and what they are, as a list of terms."""
    with tag("dl"):
        for name, value in rows:
            text("dt", name)
            text("dd", value)


def progress(share: float, label: str) -> ui.element:
    """How far something is, 0 to 1; `label` says what."""
    made = tag("progress").props(f'max="1" value="{share:.4f}"')
    made.props["aria-label"] = label
    return made


def empty(said: str, hint: str) -> ui.element:
    """What is shown where there is nothing yet; a context manager for the way out."""
    with tag("section", "empty") as made:
        text("h2", said)
        text("p", hint, "dim")
    return made


def wrong(said: str, why: str) -> None:
    """What is shown in place of a page that cannot be."""
    with tag("section", "empty wrong").props('role="alert"'):
        text("h1", said)
        text("p", why)
        link("Go home", "/", "plain")


def code(said: str, *, label: str = "these lines") -> None:
    """Lines to copy; `label` is what they are."""
    with tag("div", "code"):
        ui.html(f'<pre tabindex="0"><code>{pages.text(said)}</code></pre>', sanitize=False)
        button("Copy", lambda: ui.clipboard.write(said), "quiet", label=f"Copy {label}")


def tell(said: str, tone: Literal["good", "bad"] = "good") -> None:
    """A word on what was done, which goes away by itself."""
    ui.notify(said, type="positive" if tone == "good" else "negative", position="bottom")


def every(seconds: float, work: Callable[[], Awaitable[None]]) -> ui.timer:
    """Do something again and again while the page is open; the first time after so many seconds."""
    return ui.timer(seconds, work, immediate=False)


class Live(Generic[T]):
    """A part of a page that is drawn anew when what it shows has changed, and only then: what is the same keeps its
    focus and its place."""

    def __init__(self, draw: Callable[[T], None], first: T) -> None:
        self._draw = draw
        self._place = tag("div", "stack wide")
        self._shown: T
        self._fill(first)

    def show(self, found: T) -> None:
        """Show this."""
        if found != self._shown:
            self._place.clear()
            self._fill(found)

    def _fill(self, found: T) -> None:
        self._shown = found
        with self._place:
            self._draw(found)


def live(draw: Callable[[T], None], first: T) -> Live[T]:
    """A part of the page that `draw` fills, and that can be shown anew."""
    return Live(draw, first)
