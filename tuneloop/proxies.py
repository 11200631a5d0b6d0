"""Which proxy a URL is reached through, from the environment's HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


# aiohttp's own `trust_env` reads the environment and ~/.netrc in a thread at every call, 0.2 ms each.
@lru_cache(256)
def proxy_for(url: str) -> str | None:
    """The proxy's URL, or None for a direct connection, as to every server on this machine."""
    parts = urlsplit(url)
    if parts.hostname in ("127.0.0.1", "localhost", "::1") or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
