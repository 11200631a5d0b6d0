"""How tests press buttons and read what a page says."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction


def press(user: User, name: str) -> None:
    """Press the button of this name (its label, else its text), of several the newest: that of a window."""
    found = {one for one in buttons(user) if _name(one) == name}
    assert found, f"{name!r} is not among {sorted(map(_name, buttons(user)))}"
    newest = max(found, key=lambda one: one.id)
    UserInteraction(user, {newest}, name).click()


def buttons(user: User) -> list[ui.element]:
    """The buttons that can be seen."""
    assert user.client
    return [one for one in user.client.elements.values() if one.tag == "button" and _is_visible(one)]


def field(user: User, label: str) -> Any:
    """The newest field with this label, or label for those who do not see it."""
    assert user.client
    found = [
        one
        for one in user.client.elements.values()
        if isinstance(one, ui.input | ui.textarea | ui.number | ui.select | ui.checkbox)
        and label in (one.props.get("aria-label"), one.props.get("label"), getattr(one, "text", None))
    ]
    assert found, f"no field {label!r}"
    return max(found, key=lambda one: one.id)


def fill(user: User, label: str, value: object) -> None:
    """Put something into a field."""
    assert user.client
    with user.client:
        field(user, label).set_value(value)


def texts(user: User) -> list[str]:
    """Every text and piece of markup of the page."""
    assert user.client
    found = [one.text for one in user.client.elements.values() if isinstance(one, TextElement)]
    return found + [one.content for one in user.client.elements.values() if isinstance(one, ui.html)]


def _name(button: ui.element) -> str:
    return str(button.props.get("aria-label") or getattr(button, "text", ""))


def _is_visible(element: ui.element) -> bool:
    return element.visible and all(one.visible for one in element.ancestors())
