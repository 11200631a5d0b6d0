"""Webhooks: what ended is announced, and each address that wants to know is told, signed as OpenAI signs.

An announcement is written in the transaction that ends the job, batch or run, so neither is ever without the other.
Later each becomes a delivery for every webhook that wants it, which is tried until it arrives or is three days old.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from typing import NamedTuple

import orjson
from sqlalchemy import Connection

from tuneloop.settings import Webhook
from tuneloop.store import Store, schema
from tuneloop.store.ids import content_id, new_id
from tuneloop.types import WEBHOOK_EVENTS, Announcement, Delivery

#: how long deliveries are tried, as OpenAI does
MOST_SECONDS = 72 * 3600.0
#: the wait before the second attempt; each later one is three times as long, up to the longest
FIRST_WAIT, LONGEST_WAIT = 5.0, 8 * 3600.0
#: who takes a delivery up has so long before another may: far longer than an attempt
LEASE_SECONDS = 60.0
#: deliveries that are taken up together
AT_ONCE = 20


def announce(store: Store, type: str, subject: str, within: Connection | None = None) -> None:
    """Note that something (`subject` is its id) ended, in the caller's transaction if one is given; once, however
    often it is said. `type` is one of WEBHOOK_EVENTS."""
    assert type in WEBHOOK_EVENTS, type
    announcement = Announcement(
        id=content_id("evt_", [type, subject]), created_at=time.time(), type=type, subject=subject
    )
    if within is None:
        store.announcements.add_new(announcement)
    else:
        store.announcements.add_new_within(within, announcement)


def sort(store: Store, webhooks: Sequence[Webhook]) -> None:
    """Make the deliveries of what was announced since the last time; what is too old to be told is left."""
    new, now = schema.announcements.c.sorted.is_(False), time.time()
    for announcement in reversed(store.announcements.all(new)):
        wanting = [hook for hook in webhooks if hook.wants(announcement.type)]
        recent = now - announcement.created_at < MOST_SECONDS
        with store.database.write() as connection:
            if store.announcements.change_within(connection, announcement.id, new, sorted=True) and recent:
                store.deliveries.add_new_within(connection, *(_delivery(announcement, hook.url) for hook in wanting))


def take_due(store: Store) -> list[Delivery]:
    """The deliveries whose time has come; each is given to one taker, and to another if that one dies."""
    now = time.time()
    due, _ = store.deliveries.page(schema.deliveries.c.due_at <= now, limit=AT_ONCE, ascending=True)
    return [
        delivery
        for delivery in due
        if store.deliveries.change(
            delivery.id, schema.deliveries.c.due_at == delivery.due_at, due_at=now + LEASE_SECONDS
        )
    ]


class Attempt(NamedTuple):
    """How an attempt to deliver ended."""

    #: HTTP status of the answer, if there was one
    status: int | None
    #: why it did not arrive; None when it did
    error: str | None
    #: whether trying again is of no use (410 Gone)
    over: bool = False


def settle(store: Store, delivery: Delivery, attempt: Attempt) -> None:
    """Note how an attempt ended: it arrived, is given up, or is tried again later."""
    now, attempts = time.time(), delivery.attempts + 1
    values = {"attempts": attempts, "status": attempt.status, "error": attempt.error}
    if attempt.error is None:
        store.deliveries.change(delivery.id, due_at=None, delivered_at=now, **values)
        return
    again = now + min(FIRST_WAIT * 3.0 ** (attempts - 1), LONGEST_WAIT)
    over = attempt.over or again > delivery.created_at + MOST_SECONDS
    store.deliveries.change(delivery.id, due_at=None if over else again, **values)


def body(announcement: Announcement) -> bytes:
    """OpenAI's event."""
    event = {
        "id": announcement.id,
        "object": "event",
        "created_at": int(announcement.created_at),
        "type": announcement.type,
        "data": {"id": announcement.subject},
    }
    return orjson.dumps(event)


def headers(key: bytes, delivery_id: str, content: bytes) -> dict[str, str]:
    """The headers that sign a body now (https://www.standardwebhooks.com): receivers refuse what is minutes old."""
    stamp = str(int(time.time()))
    signed = hmac.new(key, f"{delivery_id}.{stamp}.".encode() + content, hashlib.sha256).digest()
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        "content-type": "application/json",
    }


def _delivery(announcement: Announcement, url: str) -> Delivery:
    return Delivery(
        id=new_id("wh_"),
        created_at=announcement.created_at,
        announcement_id=announcement.id,
        url=url,
        due_at=announcement.created_at,
    )
