"""What has expired goes, now and then, while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread

from tuneloop import files, uploads
from tuneloop.store import Store

#: seconds between two sweeps
EVERY = 60.0

logger = logging.getLogger("tuneloop")


@asynccontextmanager
async def swept(store: Store, every: float = EVERY) -> AsyncIterator[None]:
    """Sweep as long as the block lasts."""
    sweeping = asyncio.create_task(_forever(store, every))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def _forever(store: Store, every: float) -> None:
    while True:
        try:
            await anyio.to_thread.run_sync(_sweep, store)
        except Exception:
            logger.exception("sweeping failed; it is tried again in %s seconds", every)
        await asyncio.sleep(every)


def _sweep(store: Store) -> None:
    uploads.sweep(store)
    files.sweep(store)
