"""Ids: new ones sort by time, content ids are hashes."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from typing import Any

import orjson

_lock = threading.Lock()
_last = 0
_TIMED = re.compile(r"[A-Za-z_.-]+[0-9a-f]{21}")


def new_id(prefix: str) -> str:
    """`prefix` + 13 hex digits of microseconds + 8 random ones; strictly growing within a process."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000)
        stamp = _last
    return f"{prefix}{stamp:013x}{secrets.token_hex(4)}"


def is_timed(item_id: str) -> bool:
    """Whether this looks like an id of `new_id`."""
    return _TIMED.fullmatch(item_id) is not None


def content_id(prefix: str, content: Any) -> str:
    """`prefix` + 32 hex digits of the SHA-256 of `content` as JSON with sorted keys."""
    return prefix + hashlib.sha256(canonical(content)).hexdigest()[:32]


def canonical(content: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal content gives equal bytes."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
