"""For your application: log calls made elsewhere and give feedback, with nothing but the standard library.

    import tuneloop
    tuneloop.log(request={"model": "gpt-4o", "messages": messages}, response=completion)

Where the server is and the key to it come from TUNELOOP_BASE_URL and TUNELOOP_API_KEY.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.errors import TuneloopError, Unavailable

BASE_URL = "http://127.0.0.1:8421/v1"


class Client:
    """A Tuneloop server. Safe to use from several threads."""

    def __init__(self, base_url: str | None = None, api_key: str | None = None, *, timeout: float = 60.0) -> None:
        self.base_url = (base_url or os.environ.get("TUNELOOP_BASE_URL") or BASE_URL).rstrip("/")
        self.api_key = api_key or os.environ.get("TUNELOOP_API_KEY") or ""
        self.timeout = timeout

    def log(self, **fields: Any) -> dict[str, Any]:
        """Log one call: `request` and `response` as they went over the wire (an SDK's object will do), or `messages`
        and `completion`; optionally model, created_at, latency_ms, usage, user, metadata, scores, id."""
        return self.call("POST", "/logs", _plain(fields))

    def log_many(self, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Log several calls at once; the fields of each are those of `log`."""
        return self.call("POST", "/logs", [_plain(fields) for fields in calls])

    def feedback(self, log_id: str | None = None, value: Any = None, **fields: Any) -> dict[str, Any]:
        """Score a call, named by its log id, by the id inside its response, or by `metadata`. Other fields: name
        (default "rating"), comment, correction, user."""
        return self.call("POST", "/feedback", {"log_id": log_id, "value": value, **fields})

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Any route of the API, such as ("GET", "/logs?limit=5"). Raises TuneloopError with the server's words."""
        request = urllib.request.Request(
            self.base_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error) from None
        except OSError as error:
            raise Unavailable(
                f"no Tuneloop server answers at {self.base_url} ({error}); start it: tuneloop serve"
            ) from error


def log(**fields: Any) -> dict[str, Any]:
    """Log one call made elsewhere; see `Client.log`."""
    return Client().log(**fields)


def feedback(log_id: str | None = None, value: Any = None, **fields: Any) -> dict[str, Any]:
    """Score a call; see `Client.feedback`."""
    return Client().feedback(log_id, value, **fields)


def _error(error: urllib.error.HTTPError) -> TuneloopError:
    content = error.read()
    try:
        said = json.loads(content)["error"]
        found = TuneloopError(said["message"], param=said["param"], code=said["code"])
    except (ValueError, KeyError, TypeError):
        found = TuneloopError(f"{error.code} {content[:500].decode('utf-8', 'replace')}")
    found.status = error.code
    return found


def _plain(value: Any) -> Any:
    """SDK objects as the dictionaries they came from."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_unset=True) if dump is not None else value
