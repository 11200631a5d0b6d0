"""A conversation, drawn: each turn with who it is from, tools with what they took and gave back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nicegui import ui

from tuneloop.pages import text
from tuneloop.types import Json
from tuneloop.ui import writing
from tuneloop.ui.turns import Part, Turn

_ROLES = {"system": "Instructions", "developer": "Instructions", "user": "User", "assistant": "Assistant"}
#: characters of markup of a conversation
_MOST = 400_000
#: a picture that came with the call itself, and of a kind that is only a picture
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]{1,700000}")


def show(turns: Sequence[Turn]) -> ui.html:
    """Draw turns, one below the other, as one element."""
    return ui.html(markup(turns), sanitize=False).classes("conversation")


def markup(turns: Sequence[Turn]) -> str:
    """Turns as markup; of an endless conversation the last of them."""
    made: list[str] = []
    left = _MOST
    spoken = [turn for turn in turns if turn.parts]
    for turn in reversed(spoken):
        if left < 0:
            made.append(f'<p class="dim">{len(spoken) - len(made):,} earlier turns, which are in the raw JSON.</p>')
            break
        made.append(_turn(turn))
        left -= len(made[-1])
    return "".join(reversed(made))


def said(turn: Turn) -> str:
    """One turn's parts as markup, without who it is from."""
    return "".join(_part(part, turn.role) for part in turn.parts)


def offered(tools: Sequence[tuple[str, Json]]) -> str:
    """The tools that an answer could have called, folded."""
    if not tools:
        return ""
    names = ", ".join(name for name, _ in tools)
    listed = "".join(f"<h3>{text(name)}</h3>{writing.data(tool)}" for name, tool in tools[:64])
    return f'<details class="offered"><summary>Tools it could call: {text(names[:300])}</summary>{listed}</details>'


def _turn(turn: Turn) -> str:
    role = turn.role if turn.role in (*_ROLES, "tool") else "other"
    if turn.role == "tool":
        name = f"Result of <code>{text(turn.parts[0].name)}</code>"
    else:
        name = text(_ROLES.get(turn.role, turn.role))
    return f'<article class="speech {role}"><h3 class="role">{name}</h3>{said(turn)}</article>'


def _part(part: Part, role: str) -> str:
    match part.kind:
        case "text":
            return writing.plain(part.said) if role in ("user", "tool") else writing.written(part.said)
        case "result":
            return _given(part.said)
        case "call":
            return (
                f'<div class="call"><p class="part">Calls <code>{text(part.name)}</code></p>{_given(part.said)}</div>'
            )
        case "thought":
            return f'<details class="thought"><summary>What it thought</summary>{writing.written(part.said)}</details>'
        case "refusal":
            return f'<div class="refusal"><span class="badge warn">Refused</span>{writing.plain(part.said)}</div>'
        case "image":
            return _image(part.said)
    return writing.data(part.said)


def _given(value: Json) -> str:
    return writing.plain(value) if isinstance(value, str) else writing.data(value)


def _image(url: str) -> str:
    """A picture that came along is shown; one that lies elsewhere is only named, since to load it would tell."""
    if _PICTURE.fullmatch(url):
        return f'<img class="picture" src="{text(url)}" alt="A picture that was sent along">'
    if url.startswith("data:"):
        return f'<p class="elsewhere">{text(url[5:].partition(",")[0][:60])}, {len(url):,} characters</p>'
    return f'<p class="elsewhere">Image, not loaded: {text(url[:300])}</p>'
