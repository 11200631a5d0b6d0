"""What people fill in: fields with a label and a hint, choices, dialogs, questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nicegui import ui

from tuneloop.ui import parts

Change = Callable[[Any], Any]
Field = TypeVar("Field", bound=ui.element)
_LOOK = "outlined dense stack-label"


def line(label: str, value: str = "", *, hint: str = "", change: Change | None = None, wait: int = 0) -> ui.input:
    """A line of text. `change` is called with each new value; `wait` milliseconds after the last letter."""
    made = ui.input(label, value=value, on_change=None if change is None else lambda event: change(event.value))
    return _finish(made, hint, wait)


def area(label: str, value: str = "", *, hint: str = "", change: Change | None = None, wait: int = 0) -> ui.textarea:
    """Several lines of text, which grow with what is in them."""
    made = ui.textarea(label, value=value, on_change=None if change is None else lambda event: change(event.value))
    made.props("autogrow")
    return _finish(made, hint, wait)


def number(
    label: str,
    value: float | None = None,
    *,
    hint: str = "",
    change: Change | None = None,
    low: float | None = None,
    high: float | None = None,
) -> ui.number:
    """A number from `low` to `high`."""
    heard = None if change is None else lambda event: change(event.value)
    made = ui.number(label, value=value, min=low, max=high, on_change=heard)
    return _finish(made, hint, 0)


def choice(
    label: str,
    options: Sequence[str] | Mapping[str, str],
    value: str | None = None,
    *,
    hint: str = "",
    change: Change | None = None,
) -> ui.select:
    """One of several; a mapping has what is shown for each value. Many of them can be searched."""
    shown: Any = dict(options) if isinstance(options, Mapping) else list(options)
    made = ui.select(
        shown,
        label=label,
        value=value,
        with_input=len(shown) > 12,
        on_change=None if change is None else lambda event: change(event.value),
    )
    made.props('options-dense popup-content-class="choices"')
    return _finish(made, hint, 0)


def tick(label: str, value: bool = False, *, change: Change | None = None) -> ui.checkbox:
    """Yes or no."""
    made = ui.checkbox(label, value=value, on_change=None if change is None else lambda event: change(event.value))
    return made.props("dense")


class Dialog:
    """A window over the page; a context manager for what is in it. Escape closes it."""

    def __init__(self, title: str) -> None:
        with ui.dialog() as self._dialog:
            self._card = parts.tag("div", "card stack dialog")
        self._dialog.props["aria-label"] = title
        with self._card:
            parts.text("h2", title)

    def __enter__(self) -> Dialog:
        self._card.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._card.__exit__(*error)

    def open(self) -> None:
        """Show it."""
        self._dialog.open()

    def close(self) -> None:
        """Take it away."""
        self._dialog.close()


async def sure(question: str, why: str, do: str, *, danger: bool = True) -> bool:
    """Whether somebody really wants that; `do` is what the button says."""
    with ui.dialog() as dialog, parts.tag("div", "card stack dialog"):
        dialog.props["aria-label"] = question
        parts.text("h2", question)
        parts.text("p", why, "dim")
        with parts.row("end"):
            parts.button("Not now", lambda: dialog.submit(False))
            parts.button(do, lambda: dialog.submit(True), "danger" if danger else "main")
    answer = await dialog
    dialog.delete()
    return bool(answer)


def _finish(made: Field, hint: str, wait: int) -> Field:
    made.props(_LOOK + (f" debounce={wait}" if wait else ""))
    if hint:
        made.props["hint"] = hint
    return made
