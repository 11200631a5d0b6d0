"""Brings webhooks their events: a task of the server, which goes on where an earlier one stopped."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
import anyio.to_thread

from tuneloop import __version__, webhooks
from tuneloop.proxies import proxy_for
from tuneloop.settings import Webhook
from tuneloop.store import Store
from tuneloop.types import WEBHOOK_EVENTS, Announcement, Delivery
from tuneloop.webhooks import Attempt

#: what an address may take to answer
TIMEOUT_SECONDS = 10.0
#: what is left to attempts under way when the server stops: what arrived but was not noted would be sent again
GRACE_SECONDS = 3.0
#: how often it is looked for something new
POLL_SECONDS = 0.5

_logger = logging.getLogger("tuneloop")


@asynccontextmanager
async def delivered(store: Store, hooks: Sequence[Webhook]) -> AsyncIterator[None]:
    """Deliver as long as the block lasts."""
    if not hooks:
        yield
        return
    stopping = asyncio.Event()
    delivering = asyncio.create_task(_until(stopping, store, hooks))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait([delivering], timeout=GRACE_SECONDS)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)


async def post(client: aiohttp.ClientSession, hook: Webhook, delivery_id: str, content: bytes) -> Attempt:
    """Make one attempt: 2xx within ten seconds is an arrival."""
    try:
        headers = webhooks.headers(hook.key(), delivery_id, content)
        sending = client.post(hook.url, data=content, headers=headers, allow_redirects=False, proxy=proxy_for(hook.url))
        async with sending as response:
            arrived = 200 <= response.status < 300
            error = None if arrived else f"it answered {response.status}"
            return Attempt(response.status, error, over=response.status == 410)
    except TimeoutError:
        return Attempt(None, f"no answer within {client.timeout.total:g} seconds")
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        return Attempt(None, f"{type(problem).__name__}: {problem}")


async def try_out(hooks: Sequence[Webhook]) -> list[Attempt]:
    """Send each webhook an event about a job that does not exist."""
    async with session() as client:
        sending = []
        for number, hook in enumerate(hooks):
            kind = next(event for event in WEBHOOK_EVENTS if hook.wants(event))
            announced = Announcement(id="evt_test", created_at=time.time(), type=kind, subject="test")
            sending.append(post(client, hook, f"wh_test_{time.time_ns()}_{number}", webhooks.body(announced)))
        return await asyncio.gather(*sending)


def session(seconds: float = TIMEOUT_SECONDS) -> aiohttp.ClientSession:
    """What attempts are made with; an address has so many seconds to answer."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"Tuneloop/{__version__}"},
    )


async def _until(stopping: asyncio.Event, store: Store, hooks: Sequence[Webhook]) -> None:
    async with session() as opened:
        while not stopping.is_set():
            try:
                await _round(store, hooks, opened)
            except Exception:
                _logger.exception("delivering to webhooks failed; it is tried again in %s seconds", POLL_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_SECONDS)


async def _round(store: Store, hooks: Sequence[Webhook], opened: aiohttp.ClientSession) -> None:
    due = await anyio.to_thread.run_sync(_due, store, hooks)
    await asyncio.gather(*(_deliver(store, hooks, opened, *pair) for pair in due))


def _due(store: Store, hooks: Sequence[Webhook]) -> list[tuple[Delivery, Announcement]]:
    webhooks.sort(store, hooks)
    due = webhooks.take_due(store)
    return [(delivery, store.announcements.get(delivery.announcement_id)) for delivery in due]


async def _deliver(
    store: Store,
    hooks: Sequence[Webhook],
    opened: aiohttp.ClientSession,
    delivery: Delivery,
    announcement: Announcement,
) -> None:
    hook = next((hook for hook in hooks if hook.url == delivery.url), None)
    attempt = Attempt(None, "the settings do not name this webhook any more", over=True)
    if hook is not None:
        attempt = await post(opened, hook, delivery.id, webhooks.body(announcement))
    if attempt.error is not None:
        _logger.warning("webhook %s was not told of %s: %s", delivery.url, announcement.type, attempt.error)
    await anyio.to_thread.run_sync(webhooks.settle, store, delivery, attempt)
