"""Messages that one writes: a field for each turn, and buttons that add another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import orjson

from tuneloop.types import Message
from tuneloop.ui import forms, parts

#: what a role is called, to people
ROLES = {"system": "Instructions", "developer": "Instructions", "user": "User", "assistant": "Assistant"}


class Turns:
    """Fields for messages. `change` is told the messages after each letter; `adds` are the roles one can add."""

    def __init__(
        self,
        messages: Sequence[Message],
        change: Callable[[list[Message]], None],
        *,
        adds: Sequence[str],
        whose: str,
    ) -> None:
        self._messages = [dict(message) for message in messages]
        self._change = change
        self._adds = adds
        self._whose = whose
        self._place = parts.tag("div", "turns")
        self._draw()

    def show(self, messages: Sequence[Message]) -> None:
        """Other messages in place of these."""
        self._messages = [dict(message) for message in messages]
        self._draw()

    def _draw(self) -> None:
        self._place.clear()
        with self._place:
            for number in range(len(self._messages)):
                self._turn(number)
            with parts.row("adds"):
                for role in self._adds:
                    parts.button(
                        f"+ {ROLES[role]}", lambda role=role: self._add(role), "quiet",
                        label=f"Add {ROLES[role].lower()} {self._whose}",
                    )  # fmt: skip

    def _turn(self, number: int) -> None:
        message = self._messages[number]
        name = ROLES.get(str(message.get("role")), str(message.get("role")))
        with parts.tag("div", "turn"):
            if isinstance(message.get("content"), str) and not message.get("tool_calls"):
                field = forms.area(name, message["content"], change=lambda said: self._say(number, said), wait=150)
                field.classes("grow").props["aria-label"] = f"{name} {number + 1} {self._whose}"
            else:
                with parts.tag("div", "grow kept"):
                    parts.text("span", f"{name}, kept as it is", "dim")
                    parts.text("pre", orjson.dumps(message, option=orjson.OPT_INDENT_2).decode())
            parts.button("×", lambda: self._remove(number), "quiet", label=f"Remove {name} {number + 1} {self._whose}")

    def _say(self, number: int, said: str | None) -> None:
        self._messages[number] = {**self._messages[number], "content": said or ""}
        self._change(list(self._messages))

    def _add(self, role: str) -> None:
        made: Message = {"role": role, "content": ""}
        # Instructions stand first, whenever one thinks of them.
        self._messages = [made, *self._messages] if role == "system" else [*self._messages, made]
        self._changed()

    def _remove(self, number: int) -> None:
        del self._messages[number]
        self._changed()

    def _changed(self) -> None:
        self._change(list(self._messages))
        self._draw()
