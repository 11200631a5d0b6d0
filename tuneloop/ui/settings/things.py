"""Things with a name each, below each other, with what can be done to them at the end of the line."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from tuneloop.ui import parts


def things(label: str) -> ui.element:
    """A list of them; `label` is what they are. A context manager."""
    made = parts.tag("ul", "things")
    made.props["aria-label"] = label
    return made


def thing(name: str, *below: str) -> ui.element:
    """One of them, with lines below its name; a context manager for what is at the end of its line."""
    with parts.tag("li", "thing"):
        with parts.tag("div", "grow"):
            parts.text("strong", name)
            for line in below:
                if line:
                    parts.text("div", line, "dim")
        return parts.tag("div", "row end")


def outcome() -> TextElement:
    """Below a thing: a place for what came of trying it."""
    with parts.tag("li", "outcome"):
        return parts.text("div", "").props('role="status"')


def say(place: TextElement, said: str, good: bool | None) -> None:
    """Put a word there; None is neither good nor bad yet."""
    place.classes(add="" if good is None else "good-text" if good else "wrong", remove="good-text wrong")
    place.set_text(said)


def once(title: str, why: str, secret: str, label: str) -> None:
    """A secret in a window, which is gone with it."""
    made = ui.dialog().props("persistent")
    made.props["aria-label"] = title
    with made as dialog, parts.tag("div", "card stack dialog"):
        parts.text("h2", title)
        parts.text("p", why, "dim")
        parts.code(secret, label=label)
        with parts.row("end"):
            parts.button("Done", dialog.close, "main")
    dialog.on("hide", dialog.delete)
    dialog.open()
