"""A server-sent stream, passed on as it comes: line by line, and without its end until the Log is on disk."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tuneloop.protocols import Dialect
from tuneloop.types import Json


class EventStream:
    """Takes chunks cut anywhere and gives back what may be sent on at once.

    Whole lines go through as they are (or as the dialect has them). The line `data: [DONE]` (of Responses: the event
    that has the whole response) and what follows stays behind in `rest`, for clients take it as the end. A line that
    is not complete waits for the rest of it, which costs nothing: no client can read half a line.
    """

    def __init__(self, asked: Mapping[str, Json], dialect: Dialect | None) -> None:
        self._asked = asked
        self._dialect = dialect
        self._held = b""
        self.done = False

    def feed(self, chunk: bytes) -> bytes:
        """What of `chunk`, and of what was held before, may go out now."""
        if self.done:
            if self._dialect is None:
                self._held += chunk
            return b""
        self._held += chunk
        complete = self._held.rfind(b"\n") + 1
        lines, self._held = self._held[:complete], self._held[complete:]
        end = _find_end(lines)
        if end < 0:
            return self._said(lines)
        self.done = True
        ready = self._said(lines[:end])
        self._held = self._said(lines[end:]) + (self._held if self._dialect is None else b"")
        return ready

    @property
    def rest(self) -> bytes:
        """What is held back."""
        return self._held

    def _said(self, lines: bytes) -> bytes:
        """The lines as the client is to have them."""
        dialect = self._dialect
        if dialect is None:
            return lines
        out = bytearray()
        for line in lines.splitlines():
            # Each event of an engine that speaks a dialect is one line of data; blank lines are put back.
            if line.startswith(b"data:"):
                data = dialect.event(self._asked, line[5:].strip())
                if data is not None:
                    out += data if data.startswith(b"event:") else b"data: " + data + b"\n\n"
        return bytes(out)


#: the last events of the Responses API, by their line `event:` or, where there is none, by their data
_LAST_EVENT = re.compile(rb'^(?:event:\s*|data:.*?"type"\s*:\s*")response\.(?:completed|incomplete|failed)\b', re.M)
_LAST_WORDS = (b"response.completed", b"response.incomplete", b"response.failed")


def _find_end(lines: bytes) -> int:
    """Where the last event begins, or -1."""
    if any(word in lines for word in _LAST_WORDS) and (last := _LAST_EVENT.search(lines)):
        return last.start()
    return _find_done(lines)


def _find_done(lines: bytes) -> int:
    """Where the line `data: [DONE]` begins, or -1. The words may also stand inside an answer's text."""
    position = lines.find(b"[DONE]")
    while position >= 0:
        start = lines.rfind(b"\n", 0, position) + 1
        if lines[start:position].strip() == b"data:":
            return start
        position = lines.find(b"[DONE]", position + 1)
    return -1
