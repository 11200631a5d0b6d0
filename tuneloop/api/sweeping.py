"""What has expired goes, now and then, while the server runs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread

from tuneloop import files, retention, uploads
from tuneloop.store import Store

#: seconds between two sweeps, and between two that look through all logs
EVERY, LOGS_EVERY = 60.0, 3600.0
#: seconds that a sheet of the playground is kept after its last change
_SHEETS_KEPT = 90 * 86_400.0

logger = logging.getLogger("tuneloop")


@asynccontextmanager
async def swept(store: Store, every: float = EVERY, *, days: int | None = None) -> AsyncIterator[None]:
    """Sweep as long as the block lasts; `days` are those that logs are kept, None is for ever."""
    sweeping = asyncio.create_task(_forever(store, every, days))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.gather(sweeping, return_exceptions=True)


async def _forever(store: Store, every: float, days: int | None) -> None:
    logs_at = 0.0
    while True:
        try:
            await anyio.to_thread.run_sync(_sweep, store)
            if time.monotonic() >= logs_at:
                await anyio.to_thread.run_sync(retention.sweep, store, days, abandon_on_cancel=True)
                logs_at = time.monotonic() + LOGS_EVERY
        except Exception:
            logger.exception("sweeping failed; it is tried again in %s seconds", every)
        await asyncio.sleep(every)


def _sweep(store: Store) -> None:
    uploads.sweep(store)
    files.sweep(store)
    store.keys.keep_uses()
    store.people.sheets.sweep(time.time() - _SHEETS_KEPT)
