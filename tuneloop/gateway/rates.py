"""How many calls a minute each API key may make."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from tuneloop.gateway.wire import Headers


class Allowance(NamedTuple):
    """What is left to a key: calls it may make at once, seconds until it may make all of them again."""

    limit: int
    remaining: int
    full_after: float
    #: seconds until the next call is let in; 0.0 when this one is
    retry_after: float

    def headers(self) -> Headers:
        """As OpenAI sends them with every answer, and how long to wait when this one is a refusal."""
        told = [
            (b"x-ratelimit-limit-requests", b"%d" % self.limit),
            (b"x-ratelimit-remaining-requests", b"%d" % self.remaining),
            (b"x-ratelimit-reset-requests", b"%.3fs" % self.full_after),
        ]
        if self.retry_after:
            told += [
                (b"retry-after", b"%d" % math.ceil(self.retry_after)),
                (b"retry-after-ms", b"%d" % math.ceil(self.retry_after * 1000)),
            ]
        return told


class RateLimit:
    """A minute's calls may come all at once; then one is let in every 60 / `per_minute` seconds.

    The generic cell rate algorithm: one moment a key, that at which it has nothing left to wait for. Each process
    counts for itself.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_minute
        self._interval = 60.0 / per_minute
        self._clock = clock
        self._full: dict[str, float] = {}

    def take(self, key: str) -> Allowance:
        """Count one call with `key`, if it is let in."""
        now = self._clock()
        full = max(self._full.get(key, now), now)
        wait = full + self._interval - 60.0 - now
        if wait > 1e-6:  # floating point's error must not refuse the last call of a minute
            return Allowance(self._limit, 0, full - now, wait)
        self._full[key] = full = full + self._interval
        return Allowance(self._limit, int((60.0 - full + now) / self._interval + 1e-6), full - now, 0.0)
