"""Whether an upstream answers: its list of models is asked for, or else for one token."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tuneloop import calls
from tuneloop.proxies import proxy_for
from tuneloop.settings import Upstream

_SECONDS = 15.0
#: statuses of a server that has no list of models
_NO_LIST = frozenset({404, 405, 501})


@dataclass(frozen=True, kw_only=True, slots=True)
class Tried:
    """How an upstream answered."""

    #: what was wrong, and the way out; None where nothing is
    error: str | None = None
    way_out: str | None = None
    latency_ms: float | None = None
    #: the models that it lists; None where it has no list
    models: tuple[str, ...] | None = None


async def try_upstream(upstream: Upstream, environ: Mapping[str, str] = os.environ) -> Tried:
    """Ask an upstream for its models; one that has no list, for one token of the first model without wild cards."""
    if upstream.api_key_env and not upstream.api_key(environ):
        way_out = f"Set {upstream.api_key_env} where `tuneloop serve` starts, and start again."
        return Tried(error=f"the variable {upstream.api_key_env} is not set", way_out=way_out)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await _ask(session, upstream, environ)
    except TimeoutError:
        return Tried(error=f"no answer within {_SECONDS:g} seconds", way_out=_AWAY)
    except aiohttp.ClientConnectorError as error:
        return Tried(error=f"cannot connect to {error.host}:{error.port}", way_out=_AWAY)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Tried(error=str(error) or type(error).__name__, way_out=_AWAY)


_AWAY = "Is the server running, and base_url its address as seen from this machine?"


async def _ask(session: aiohttp.ClientSession, upstream: Upstream, environ: Mapping[str, str]) -> Tried:
    key = upstream.api_key(environ)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    began = time.perf_counter()
    status, body = await _send(session, "GET", f"{upstream.base_url}/models", headers)
    name = next((one for one in upstream.models if not set("*?[") & set(one)), None)
    if status in _NO_LIST and name is not None:
        asked = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        began = time.perf_counter()
        status, body = await _send(session, "POST", f"{upstream.base_url}/chat/completions", headers, asked)
    latency = (time.perf_counter() - began) * 1000
    if status != 200:
        return Tried(error=f"{status}: {calls.error_text(body)[:300]}", way_out=_way_out(upstream, status))
    listed = _listed(body)
    if listed and not any(upstream.serves(one) for one in listed):
        return Tried(
            error=f"it has {len(listed):,} models, and none of them is in `models`",
            way_out=f"It has {', '.join(listed[:5])}{', ...' if len(listed) > 5 else ''}.",
            latency_ms=latency,
            models=listed,
        )
    return Tried(latency_ms=latency, models=listed)


async def _send(
    session: aiohttp.ClientSession, method: str, url: str, headers: Mapping[str, str], body: Any = None
) -> tuple[int, bytes]:
    more = {} if body is None else {"json": body}
    async with session.request(
        method, url, headers=headers, proxy=proxy_for(url), allow_redirects=False, **more
    ) as response:
        return response.status, await response.content.read(4_000_000)


def _listed(body: bytes) -> tuple[str, ...] | None:
    """The ids in a list of models."""
    answer = calls.parse(body)
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        return None
    return tuple(str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row)


def _way_out(upstream: Upstream, status: int) -> str:
    if status in (401, 403):
        where = f"that {upstream.api_key_env} holds" if upstream.api_key_env else "is missing: name its api_key_env"
        return f"The key {where}." if not upstream.api_key_env else f"It does not take the key {where}."
    if status in _NO_LIST:
        return f"base_url mostly ends in /v1; here it is {shown_url(upstream)}."
    return "The server is there, and has trouble of its own: try again later."


def shown_url(upstream: Upstream) -> str:
    """The address without a password that somebody has written into it."""
    parts = urlsplit(upstream.base_url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
