"""Who may come in, with how much and how often: what is checked of every request before its body is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from tuneloop.errors import InvalidInput, RateLimited, TooLarge, Unauthorized, UrlTooLong
from tuneloop.gateway import wire
from tuneloop.gateway.rates import RateLimit

#: what may be asked without a key
OPEN = frozenset(
    {"/health", "/openapi.json", "/docs"}
    | {f"/docs/assets/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")}
)
MOST_BYTES = 64 * 1024 * 1024
#: a file of 512 MB and what multipart puts around it
MOST_MULTIPART_BYTES = 513 * 1024 * 1024
MOST_URL_BYTES = 32 * 1024


class Door:
    """`keys` says whether an API key is good, `rate_limit` is in calls per minute for each key (0: no limit) and does
    not concern the keys in `unlimited`, `origins` are those whose pages a browser lets read answers ("*": all)."""

    def __init__(
        self,
        *,
        keys: Callable[[str], bool],
        rate_limit: int = 0,
        unlimited: Collection[str] = (),
        origins: Collection[str] = (),
        max_body: int = MOST_BYTES,
    ) -> None:
        self._keys = keys
        self._rates = RateLimit(rate_limit) if rate_limit else None
        self._unlimited = frozenset(unlimited)
        self._origins = frozenset(origin.encode() for origin in origins)
        self._max_body = max_body

    def admit(self, scope: wire.Scope, head: Mapping[bytes, bytes], told: wire.Headers) -> None:
        """Let a request in. Raises UrlTooLong, InvalidInput, Unauthorized, RateLimited and TooLarge.

        Adds to `told` the headers that the answer should have in any case.
        """
        _check_url(scope)
        if scope["path"] in OPEN:
            return
        key = wire.bearer(head.get(b"authorization", b""))
        if not self._keys(key):
            raise Unauthorized("Incorrect API key provided. `tuneloop serve` printed yours at its first start.")
        self._check_rate(key, told)
        self._check_size(head)

    def receive(self, head: Mapping[bytes, bytes], receive: wire.Receive) -> wire.Receive:
        """`receive`, which raises TooLarge when a body of unknown length turns out too long."""
        if b"transfer-encoding" not in head:  # the server sees to it that a declared length is kept
            return receive
        most, size = self.most(head), 0

        async def counted() -> wire.AsgiMessage:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise _too_large(most)
            return message

        return counted

    def most(self, head: Mapping[bytes, bytes]) -> int:
        """Bytes that the body of a request may have."""
        multipart = head.get(b"content-type", b"").lower().startswith(b"multipart/")
        return MOST_MULTIPART_BYTES if multipart else self._max_body

    def cors(self, scope: wire.Scope, head: Mapping[bytes, bytes]) -> wire.Headers:
        """What lets a page of an allowed origin read the answer; empty for all others."""
        origin = head.get(b"origin") if self._origins else None
        if origin is None or self._origins.isdisjoint((origin, b"*")):
            return []
        told = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", b"*"),
            (b"vary", b"Origin"),
        ]
        if is_preflight(scope, head):
            asked = head.get(b"access-control-request-headers", b"*")
            told += [
                (b"access-control-allow-methods", b"GET, POST, DELETE"),
                (b"access-control-allow-headers", asked),
                (b"access-control-max-age", b"600"),
            ]
        return told

    def _check_rate(self, key: str, told: wire.Headers) -> None:
        if self._rates is None or key in self._unlimited:
            return
        allowance = self._rates.take(key)
        told += allowance.headers()
        if allowance.retry_after:
            raise RateLimited(
                f"Rate limit reached on requests per min (RPM): Limit {allowance.limit}, Used {allowance.limit}, "
                f"Requested 1. Please try again in {allowance.retry_after:.3f}s."
            )

    def _check_size(self, head: Mapping[bytes, bytes]) -> None:
        length = head.get(b"content-length", b"")
        if length.isdigit() and int(length) > (most := self.most(head)):
            raise _too_large(most)


def is_preflight(scope: wire.Scope, head: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks if it may ask."""
    return bool(scope["method"] == "OPTIONS" and b"access-control-request-method" in head)


def _check_url(scope: wire.Scope) -> None:
    query: bytes = scope["query_string"]
    if len(scope["path"]) + len(query) > MOST_URL_BYTES:
        raise UrlTooLong(f"The URL is longer than {MOST_URL_BYTES} bytes.")
    if "\0" in scope["path"] or b"%00" in query:
        raise InvalidInput("The URL holds a NUL character (%00), which no id or parameter has.")


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"The body of your request is larger than {most} bytes, the most that is taken here.")
