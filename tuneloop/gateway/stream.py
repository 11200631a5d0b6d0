"""A server-sent stream, passed on as it comes: line by line, and without its end until the Log is on disk."""

from __future__ import annotations

from collections.abc import Mapping

from tuneloop.protocols import Dialect
from tuneloop.types import Json


class EventStream:
    """Takes chunks cut anywhere and gives back what may be sent on at once.

    Whole lines go through as they are (or as the dialect has them). The line `data: [DONE]` and what follows stays
    behind in `rest`, for clients take it as the end. A line that is not complete waits for the rest of it, which
    costs nothing: no client can read half a line.
    """

    def __init__(self, asked: Mapping[str, Json], dialect: Dialect | None) -> None:
        self._asked = asked
        self._dialect = dialect
        self._held = b""
        self.done = False

    def feed(self, chunk: bytes) -> bytes:
        """What of `chunk`, and of what was held before, may go out now."""
        self._held += chunk
        if self.done:
            return b""
        complete = self._held.rfind(b"\n") + 1
        lines, self._held = self._held[:complete], self._held[complete:]
        end = _find_done(lines)
        if end >= 0:
            self.done = True
            lines, self._held = lines[:end], lines[end:] + self._held
        return lines if self._dialect is None else self._translated(lines, self._dialect)

    @property
    def rest(self) -> bytes:
        """What is held back."""
        return self._held

    def _translated(self, lines: bytes, dialect: Dialect) -> bytes:
        out = bytearray()
        for line in lines.splitlines():
            # Each event of an engine that speaks a dialect is one line of data; blank lines are put back.
            if line.startswith(b"data:"):
                data = dialect.event(self._asked, line[5:].strip())
                if data is not None:
                    out += b"data: " + data + b"\n\n"
        return bytes(out)


def _find_done(lines: bytes) -> int:
    """Where the line `data: [DONE]` begins, or -1. The words may also stand inside an answer's text."""
    position = lines.find(b"[DONE]")
    while position >= 0:
        start = lines.rfind(b"\n", 0, position) + 1
        if lines[start:position].strip() == b"data:":
            return start
        position = lines.find(b"[DONE]", position + 1)
    return -1
