"""The gateway as graders and evals ask it: over HTTP with the standard library, from any thread or process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from tuneloop.errors import EngineError, TuneloopError, Unavailable
from tuneloop.types import Json

#: statuses that a later try may mend: too many requests, an engine that starts, an upstream that stumbles
_PASSING = frozenset({429, 502, 503, 504})
#: tries of a call that is refused so, and the seconds in which a server that is away may come back
_TRIES, _AWAY = 5, 60.0
_LONGEST_PAUSE = 30.0


class Aborted(Exception):
    """The calls were broken off by `abort`."""


class Gateway:
    """Posts to a Tuneloop server's routes and waits for whole answers. Safe to use from several threads.

    `embedder` is the model of embeddings where a body names none. `user` marks the Logs of the calls. `patient` calls
    let others go before.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        embedder: str,
        user: str | None = None,
        timeout: float = 600.0,
        patient: bool = False,
    ) -> None:
        self._url = urlsplit(url)
        self._key = key
        self._embedder = embedder
        self._user = user
        self._timeout = timeout
        self._more = {"x-tuneloop-priority": "low"} if patient else {}
        self._open: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._aborted = threading.Event()

    def __call__(self, path: str, body: Mapping[str, Json]) -> dict[str, Any]:
        """The answer to a POST. Raises TuneloopError with the server's words, and Aborted."""
        whole = {"model": self._embedder, **body} if path == "/embeddings" else dict(body)
        if self._user is not None:
            whole.setdefault("user", self._user)
        content = orjson.dumps(whole)
        tries, away_since = 0, time.monotonic()
        while True:
            try:
                status, retry_after, answer = self._post(path, content)
            except (OSError, HTTPException) as error:
                if self._aborted.is_set():
                    raise Aborted from None
                if time.monotonic() - away_since > _AWAY:
                    raise Unavailable(f"no answer from {self._url.netloc}: {error or type(error).__name__}") from error
                self._pause(1.0)
                continue
            tries += 1
            if status not in _PASSING or tries == _TRIES:
                return _read(status, answer)
            self._pause(retry_after if retry_after is not None else 2.0**tries / 2)
            away_since = time.monotonic()

    def abort(self) -> None:
        """Break off every call under way, so that engines stop, and refuse new ones."""
        self._aborted.set()
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with suppress(OSError):
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def _post(self, path: str, content: bytes) -> tuple[int, float | None, bytes]:
        kind = HTTPSConnection if self._url.scheme == "https" else HTTPConnection
        connection = kind(self._url.netloc, timeout=self._timeout)
        with self._lock:
            self._open.add(connection)
        try:
            if self._aborted.is_set():
                raise Aborted
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", **self._more}
            connection.request("POST", self._url.path + path, content, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status >= 500 and not answer.startswith(b"{"):
                # Every error of the gateway is JSON: this is a server that was told to stop, and may be started again.
                raise HTTPException(f"{response.status} {response.reason}")
            return response.status, _seconds(response), answer
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _pause(self, seconds: float) -> None:
        if self._aborted.wait(min(seconds, _LONGEST_PAUSE)):
            raise Aborted


def _seconds(response: HTTPResponse) -> float | None:
    value = response.getheader("Retry-After", "")
    return float(value) if value.replace(".", "", 1).isdigit() else None


def _read(status: int, content: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(content)
    except ValueError:
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    said = error if isinstance(error, dict) else {}
    message = said.get("message") or f"{status}: {content[:300].decode('utf-8', 'replace')}"
    raise (EngineError if status >= 500 else TuneloopError)(message, param=said.get("param"), code=said.get("code"))
