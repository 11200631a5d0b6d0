"""Monitors at work: a thread of the server that grades new calls when nothing else needs the machine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread

from tuneloop import grading
from tuneloop.graders.asking import Aborted, Gateway
from tuneloop.graders.sandbox import Sandbox
from tuneloop.grading.monitors import Watch
from tuneloop.store import Store

#: seconds between two rounds that found nothing
EVERY = 2.0
#: a call that waits for the machine is graded after so long all the same, or it never would be
PATIENCE = 20.0
_PAUSE = 0.2
#: what the thread has to end when the server stops: a Python grader that runs is not waited for
_GRACE = 3.0

_logger = logging.getLogger("tuneloop")


@asynccontextmanager
async def monitored(
    store: Store, gateway: Callable[[], Gateway], urgent: Callable[[], int], every: float = EVERY
) -> AsyncIterator[None]:
    """Monitor as long as the block lasts. `urgent` says how many calls go before."""
    watcher = _Watcher(store, gateway(), urgent, every)
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
        await anyio.to_thread.run_sync(watcher.join, _GRACE)


class _Watcher(threading.Thread):
    def __init__(self, store: Store, gateway: Gateway, urgent: Callable[[], int], every: float) -> None:
        super().__init__(name="monitors", daemon=True)
        self._gateway, self._urgent, self._every = gateway, urgent, every
        self._stopping = threading.Event()
        sandbox = Sandbox()
        self._watch = Watch(
            store, lambda given: grading.read(store, given, ask=gateway, run_python=sandbox), self._go_on
        )

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                found = self._watch.round()
            except Aborted:
                return
            except Exception:
                if self._stopping.is_set():
                    return
                _logger.exception("monitoring failed; it is tried again in %s seconds", self._every)
                found = 0
            self._stopping.wait(_PAUSE if found else self._every)

    def stop(self) -> None:
        """Break off what is under way; it is done at the next start."""
        self._stopping.set()
        self._gateway.abort()

    def _go_on(self) -> bool:
        """Wait for the others; whether the server is still up."""
        last = time.monotonic() + PATIENCE
        while self._urgent() and time.monotonic() < last:
            if self._stopping.wait(_PAUSE):
                return False
        return not self._stopping.is_set()
