"""The whole server in a thread, for tests: real HTTP, a real database, an upstream and a local model that are fakes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from tuneloop.loop import Loop
from tuneloop.server import Server
from tuneloop.settings import Settings, Upstream
from tuneloop.store.log_writer import LogWriter
from tuneloop.testing import Answer, UpstreamFake

KEY = "tl-test"
_COMPLETION = {
    "id": "chatcmpl-fake",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "fake",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


class Running(NamedTuple):
    """A server that runs: where, what it is made of, and a client that has its key."""

    url: str
    loop: Loop
    client: httpx2.Client
    #: what answers as "fake"
    upstream: UpstreamFake
    server: Server

    def raw(self, sent: bytes) -> bytes:
        """What comes back for these very bytes, up to the end of the connection or a second of silence."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=1) as connection:
            connection.sendall(sent)
            received = b""
            try:
                while piece := connection.recv(65536):
                    received += piece
            except TimeoutError:
                pass
            return received


@contextmanager
def running(home: Path, *, prepare: Callable[[Loop], None] = lambda loop: None, **settings: Any) -> Iterator[Running]:
    """Serve with these settings; calls for the model "fake" go to a fake upstream. `prepare` may exchange parts."""
    with UpstreamFake(Answer(raw=json.dumps(_COMPLETION).encode())) as upstream:
        known = Upstream(name="fake", base_url=upstream.base_url, models=("fake",))
        database_url = settings.pop("database_url", f"sqlite:///{home / 'tuneloop.db'}")
        upstreams = (known, *settings.pop("upstreams", ()))
        fixed = {"home": home, "database_url": database_url, "api_key": KEY, "upstreams": upstreams}
        loop = Loop(settings=Settings(**fixed, **settings))
        prepare(loop)
        recorder = LogWriter(loop.store.database)
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        loop.url = f"{url}/v1"
        started = threading.Event()
        server = Server(loop, recorder, started.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert started.wait(30), "the server did not start"
        with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
            yield Running(url, loop, client, upstream, server)
        server.should_exit = True
        thread.join()
        recorder.close()


def ask(server: Running, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    """The JSON of an answer that has this status."""
    answered = server.client.request(method, f"/v1{path}", json=body)
    assert answered.status_code == status, answered.text
    found: dict[str, Any] = answered.json()
    return found
