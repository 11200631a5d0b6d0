"""The way out: one pool of kept-alive connections to engines and upstreams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tuneloop.errors import EngineError, EngineUnavailable
from tuneloop.gateway.wire import Headers
from tuneloop.proxies import proxy_for

#: the time a connection may take; an answer may take as long as it likes, for models are slow
_CONNECT_SECONDS = 10.0


class ConnectionLost(EngineError):
    """The connection could not be made or broke: it was stale, or the engine just died."""


class Reply(NamedTuple):
    """What came back so far: the head. `chunks` yields the body as it comes and raises ConnectionLost if it breaks."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]


class Client:
    """Sends requests on, from one event loop."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(self, url: str, headers: Headers, body: bytes) -> AsyncIterator[Reply]:
        """POST `body`; leaving the block early drops the connection, which stops the engine's work."""
        texts = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
        try:
            response = await self._open().post(
                URL(url, encoded=True), headers=texts, data=body, allow_redirects=False, proxy=proxy_for(url)
            )
        except TimeoutError as error:
            raise EngineUnavailable(f"cannot connect to {url} within {_CONNECT_SECONDS:.0f} seconds") from error
        except aiohttp.ClientConnectorError as error:
            raise ConnectionLost(f"cannot connect to {url}: {error}", code="upstream_unreachable") from error
        except aiohttp.ClientError as error:
            raise ConnectionLost(f"{url} broke the connection: {error!r}") from error
        try:
            yield Reply(response.status, list(response.raw_headers), _chunks(response))
        finally:
            response.close()

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:  # made at the first call, for it belongs to the event loop that is running
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
                timeout=aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECONDS),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except aiohttp.ClientError as error:
        raise ConnectionLost(f"the answer broke off: {error!r}") from error
