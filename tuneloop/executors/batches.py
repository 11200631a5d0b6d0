"""Runs batches: asks this process's own gateway, a few requests at a time, and lets everybody else go first."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import orjson

from tuneloop import batches
from tuneloop.batch_lines import Request
from tuneloop.errors import ModelNotFound, TuneloopError
from tuneloop.store import Store
from tuneloop.types import Batch, Model

#: seconds between looks at whether a batch was cancelled, and at whether there is a place for a request
_LOOK, _PAUSE = 0.5, 0.02
#: seconds that requests wait behind other people's calls before one of them goes all the same
PATIENCE = 30.0
#: answers that may be better at another time, and how often a request is made at most
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_TRIES = 4
_LONGEST_WAIT = 60.0
#: how often a batch is taken up again that broke off for a reason of ours: a full disk, a database that is away
_RUNS = 5
#: seconds before it is, the first time; each time twice as long
RUN_AGAIN = 1.0

#: how the gateway knows a batch's requests from those of others
_LAST = {"x-tuneloop-priority": "low"}

_logger = logging.getLogger(__name__)


class Places:
    """How many requests of batches may be under way at once; threads share it.

    `others` counts other people's calls under way at the same engine. While there are any, no new request takes a
    place, except that one may when none has for PATIENCE seconds: a batch comes to its end under any load.
    """

    def __init__(self, most: int, others: Callable[[], int] = lambda: 0) -> None:
        self.most = most
        self._others = others
        self._taken = 0
        self._last = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place; returns whether there was one."""
        with self._lock:
            if self._taken >= self.most:
                return False
            patient = self._taken > 0 or time.monotonic() - self._last < PATIENCE
            if self._others() and patient:
                return False
            self._taken += 1
            self._last = time.monotonic()
            return True

    def give_back(self) -> None:
        """Let another have it."""
        with self._lock:
            self._taken -= 1
            self._last = time.monotonic()


class Reply(NamedTuple):
    """What the gateway has answered."""

    status: int
    request_id: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRunner:
    """Runs batches to their end. Every step may be repeated: a run that was killed goes on where it stopped."""

    store: Store
    #: where this process's own server answers ("http://127.0.0.1:8421/v1")
    url: Callable[[], str | None]
    key: str
    #: the model that answers under a name; raises ModelNotFound
    model: Callable[[str], Model]
    #: for requests to models of this machine, and to those of upstreams
    local: Places
    upstream: Places = field(default_factory=lambda: Places(8))

    def run(self, batch_id: str) -> None:
        """Run a batch to one of its final statuses."""
        failures = 0
        while (batch := self.store.batches.find(batch_id)) and batch.status not in batches.FINAL:
            try:
                self._advance(batch)
            except Exception as error:
                _logger.exception("batch %s broke off", batch_id)
                failures += 1
                if failures == _RUNS:
                    self._give_up(batch_id, error)
                    return
                time.sleep(RUN_AGAIN * 2.0**failures)

    def _advance(self, batch: Batch) -> None:
        """From one status to the next."""
        if batch.status in ("validating", "in_progress") and time.time() >= batch.expires_at:
            batches.finish(self.store, batch, "expired")
        elif batch.status == "validating":
            batches.validate(self.store, batch, self._exists)
        elif batch.status == "in_progress":
            asyncio.run(self._ask_all(batch))
        elif batch.status == "finalizing":
            batches.finish(self.store, batch, "completed")
        else:
            batches.finish(self.store, batch, "cancelled")

    def _give_up(self, batch_id: str, error: Exception) -> None:
        message = error.message if isinstance(error, TuneloopError) else f"{type(error).__name__}: {error}"
        problem = {"code": "server_error", "line": None, "message": message, "param": None}
        batches.finish(self.store, batches.get(self.store, batch_id), "failed", errors=[problem])

    def _exists(self, name: str) -> bool:
        try:
            self.model(name)
        except ModelNotFound:
            return False
        return True

    async def _ask_all(self, batch: Batch) -> None:
        """Make the requests that have no answer yet, until all have one or the batch is to end before."""
        name = batch.model or ""
        places = self.upstream if self._exists(name) and self.model(name).kind == "upstream" else self.local
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **_LAST}
        left = batches.unanswered(self.store, batch)
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=None)) as session:
            tasks = [asyncio.create_task(self._work(batch, left, session, places)) for _ in range(places.most)]
            try:
                while not self._is_over(batch):
                    done, pending = await asyncio.wait(tasks, timeout=_LOOK, return_when=asyncio.FIRST_EXCEPTION)
                    for task in done:
                        task.result()
                    if not pending:
                        batches.finalize(self.store, batch)
                        return
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                left.close()

    def _is_over(self, batch: Batch) -> bool:
        return batches.get(self.store, batch.id).status != "in_progress" or time.time() >= batch.expires_at

    async def _work(
        self, batch: Batch, left: Iterator[Request], session: aiohttp.ClientSession, places: Places
    ) -> None:
        for request in left:
            async with _place(places):
                reply = await self._ask(session, batch.endpoint, orjson.dumps(request.body))
            batches.answer(self.store, batch, request, *reply)

    async def _ask(self, session: aiohttp.ClientSession, endpoint: str, body: bytes) -> Reply:
        tries = 0
        while True:
            tries += 1
            url = f"{self.url()}{endpoint.removeprefix('/v1')}"
            try:
                async with session.post(url, data=body) as response:
                    reply = Reply(response.status, response.headers.get("x-request-id", ""), await response.read())
                    wait = _wait(response.headers.get("retry-after", ""), tries)
            except aiohttp.ClientConnectorError:  # the server is just starting or ending, and this process with it
                tries -= 1
                await asyncio.sleep(1.0)
                continue
            except aiohttp.ClientError as error:
                reply, wait = Reply(500, "", f"the connection broke: {error!r}".encode()), _wait("", tries)
            if reply.status not in _PASSING or tries == _TRIES:
                return reply
            await asyncio.sleep(wait)


@asynccontextmanager
async def _place(places: Places) -> AsyncIterator[None]:
    while not places.take():
        await asyncio.sleep(_PAUSE)
    try:
        yield
    finally:
        places.give_back()


def _wait(retry_after: str, tries: int) -> float:
    """Seconds until a request is made again: what the server said, or twice as long each time."""
    return min(float(retry_after) if retry_after.isdecimal() else 2.0 ** (tries - 1), _LONGEST_WAIT)
