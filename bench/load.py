"""A load generator: `python -m bench.load URL CONNECTIONS SECONDS STREAM` prints what it measured as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

_SYSTEM = "You sort the tickets of a support desk. Answer with JSON: queue, priority, language. " * 4
_USER = "Hello, my invoice of last month was charged twice and nobody answers my mails. Please help me soon!"


class Connection(asyncio.Protocol):
    """One client that asks again as soon as it has its answer."""

    def __init__(self, request: bytes, until: float, latencies: list[float]) -> None:
        self._request = request
        self._until = until
        self._latencies = latencies
        self._received = b""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by shape.
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not _is_complete(self._received):
            return
        now = time.perf_counter()
        if not self._received.startswith(b"HTTP/1.1 200"):
            self.finished.set_exception(RuntimeError(self._received.decode()))
            return
        self._latencies.append(now - self._asked)
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.finished.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_exception(error or ConnectionResetError("the server closed the connection"))

    def _ask(self) -> None:
        self._received = b""
        self._asked = time.perf_counter()
        self._transport.write(self._request)


def _is_complete(received: bytes) -> bool:
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        return False
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return len(body) >= int(rest.partition(b"\r\n")[0]) if found else body.endswith(b"0\r\n\r\n")


async def main(url: str, connections: int, seconds: float, stream: bool) -> dict[str, float]:
    """Keep every connection busy for `seconds`; calls, calls per second and latencies in milliseconds."""
    parts = urlsplit(url)
    body = orjson.dumps(
        {
            "model": "bench",
            "messages": [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}],
            "temperature": 0.2,
            "metadata": {"ticket": "4711"},
            **({"stream": True} if stream else {}),
        }
    )
    head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer bench\r\n"
    head += f"content-type: application/json\r\nuser-agent: bench\r\ncontent-length: {len(body)}\r\n\r\n"
    latencies: list[float] = []
    begin = time.perf_counter()
    made = [
        await asyncio.get_running_loop().create_connection(
            lambda: Connection(head.encode() + body, begin + seconds, latencies), parts.hostname or "", parts.port or 80
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.finished for _, connection in made))
    took = time.perf_counter() - begin
    ordered = sorted(latencies)
    percentile = {f"p{p}": round(ordered[len(ordered) * p // 100] * 1000, 3) for p in (50, 95, 99)}
    return {"calls": len(ordered), "calls_per_second": round(len(ordered) / took, 1), **percentile}


if __name__ == "__main__":
    print(json.dumps(uvloop.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "stream"))))
