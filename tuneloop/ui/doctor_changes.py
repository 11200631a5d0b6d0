"""What a change takes away from a text and what it adds, as markup."""

from __future__ import annotations

from os.path import commonprefix

from tuneloop.pages import text
from tuneloop.reports.differences import pieces

#: characters that are shown before and behind what changes, and of what changes
_AROUND, _MOST = 90, 800


def changed(before: str, after: str) -> str:
    """A text after a change, with what is gone and what is new marked; of what stays the same only what is near."""
    start = len(commonprefix([before, after]))
    rest = min(len(before), len(after)) - start
    end = min(len(commonprefix([before[::-1], after[::-1]])), rest)
    start, end = _word_start(before, start), _word_start(before[::-1], end)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    lead = before[:start] if start <= _AROUND else f"… {before[start - _AROUND : start]}"
    tail = before[len(before) - end :] if end <= _AROUND else f"{before[len(before) - end :][:_AROUND]} …"
    return f"{text(lead)}{_marked(old, new)}{text(tail)}"


def _word_start(said: str, index: int) -> int:
    """The beginning of the word that an index is in."""
    while index and (said[index - 1].isalnum() or said[index - 1] == "_"):
        index -= 1
    return index


def _marked(old: str, new: str) -> str:
    found = list(pieces(new, old))
    if old == new or any(piece.kind != "same" for piece in found):
        marks = {"same": "{}", "missing": "<del>{}</del>", "added": "<ins>{}</ins>"}
        return "".join(marks[piece.kind].format(text(_cut(piece.text))) for piece in found)
    gone = f"<del>{text(_cut(old))}</del>" if old else ""
    return gone + (" " if old and new else "") + (f"<ins>{text(_cut(new))}</ins>" if new else "")


def _cut(said: str) -> str:
    return said if len(said) <= _MOST else f"{said[:_MOST]} …"
