"""An upstream that answers at once: `python -m bench.mock_upstream` prints its URL and serves until it is ended.

It does the least that is correct, so that a benchmark measures what stands in front of it.
"""

from __future__ import annotations

import asyncio
from typing import cast

import orjson
import uvloop

_ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "bench",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": '{"queue": "billing", "priority": "high"} ' * 4},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 150, "completion_tokens": 40, "total_tokens": 190},
    }
)
_PIECES = 20


def _chunk(delta: dict[str, str], finish_reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    frame = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1700000000, "model": "bench"}
    data = b"data: " + orjson.dumps({**frame, "choices": [choice]}) + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


_WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_ANSWER), _ANSWER)
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    _chunk({"role": "assistant", "content": ""}, None),
    *(_chunk({"content": f" word{number}"}, None) for number in range(_PIECES)),
    _chunk({}, "stop"),
    b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
)


class MockUpstream(asyncio.Protocol):
    """Answers each request with the same completion, in one piece or in 22 writes when its body asks for a stream."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by shape.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        self._received = b""
        if b'"stream":true' in body:
            for piece in _STREAM:
                self._transport.write(piece)
        else:
            self._transport.write(_WHOLE)


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0])


async def main() -> None:
    """Serve on a free port of 127.0.0.1."""
    server = await asyncio.get_running_loop().create_server(MockUpstream, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
