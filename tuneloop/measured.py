"""What was measured in this process: kept, and measured one thing at a time, for two would slow each other down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any

#: seconds between looks at whether somebody still waits
_PAUSE = 0.2


class Unwanted(Exception):
    """Nobody waits for a measurement any more."""


class Measured:
    """Results by what they are results of, for as long as the process lives."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Any:
        """What was measured; None where nothing was."""
        return self._results.get(key)

    def keep(self, key: Hashable, result: Any) -> None:
        """Keep what was found without measuring time."""
        self._results[key] = result

    def get(self, key: Hashable, measure: Callable[[], Any], wanted: Callable[[], bool] = lambda: True) -> Any:
        """What was measured; if need be it is now, behind other measurements. Raises Unwanted when nobody waits any
        more, and what `measure` raises."""
        while not self._lock.acquire(timeout=_PAUSE):
            if not wanted():
                raise Unwanted
        try:
            if key not in self._results:
                if not wanted():
                    raise Unwanted
                self._results[key] = measure()
            return self._results[key]
        finally:
            self._lock.release()
