"""What a user without a browser does with hands: buttons and keys."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction


def buttons(user: User, said: str) -> list[ui.element]:
    """The buttons that say this, in their order."""
    with user as client:
        found = [one for one in client.elements.values() if isinstance(one, TextElement)]
    return [one for one in found if one.tag == "button" and one.text == said and one.visible]


def press(user: User, said: str) -> None:
    """Press the first button that says this."""
    made = buttons(user, said)
    assert made, f"there is no button {said!r}"
    UserInteraction(user, {made[0]}, said).trigger("click")


def key(user: User, name: str, *, action: str = "keydown", ctrl: bool = False, repeat: bool = False) -> None:
    """Press a key anywhere on the page."""
    held = {"altKey": False, "ctrlKey": ctrl, "shiftKey": False, "metaKey": False}
    event = {"key": name, "code": name, "location": 0, "action": action, "repeat": repeat, **held}
    user.find(kind=ui.keyboard).trigger("key", event)
