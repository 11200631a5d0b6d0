"""The words of new logs are put into the index while the server runs, in small pieces between the calls' own writes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread

from tuneloop.store import Store

#: seconds between two looks for new logs
EVERY = 1.0
#: of the time, so much is left to others
_REST = 2.0

logger = logging.getLogger("tuneloop")


@asynccontextmanager
async def indexed(store: Store, every: float = EVERY) -> AsyncIterator[None]:
    """Index as long as the block lasts."""
    indexing = asyncio.create_task(_forever(store, every))
    try:
        yield
    finally:
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)


async def _forever(store: Store, every: float) -> None:
    while True:
        began, taken = time.monotonic(), 0
        try:
            taken = await anyio.to_thread.run_sync(store.logs.search.texts.take)
        except Exception:
            logger.exception("indexing logs failed; it is tried again in %s seconds", every)
        await asyncio.sleep(_REST * (time.monotonic() - began) if taken else every)
