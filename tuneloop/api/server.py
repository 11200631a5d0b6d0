"""`tuneloop serve`: uvicorn around the application, and the queue of jobs beside it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable

import uvicorn

from tuneloop.api.app import build
from tuneloop.errors import Unavailable
from tuneloop.executors.queue import JobQueue
from tuneloop.loop import Loop
from tuneloop.store.log_writer import LogWriter


def serve(loop: Loop, ready: Callable[[str, str | None], None]) -> None:
    """Serve until told to stop; calls `ready(url, new API key or None)` once connections are taken.

    Ends the process: a training job that is running goes on from its last checkpoint at the next start.
    """
    listening = _listen(loop.settings.host, loop.settings.port)
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://{shown}:{port}/v1"
    loop.url = url
    lock = loop.hold(url)
    key = loop.first_key()
    recorder = LogWriter(loop.store.database)
    server = _Server(loop, recorder, lambda: ready(url, key))
    queue = JobQueue(loop.queue_url, {"fine-tuning": loop.runner.run})
    queue.start()
    try:
        server.run(sockets=[listening])
    finally:
        recorder.close()
        lock.release()
        sys.stdout.flush()
        sys.stderr.flush()
        # The thread that waits for a training child cannot be interrupted. The child notices that we are gone,
        # writes a checkpoint and ends; the queue takes the job up again at the next start.
        os._exit(0)


class _Server(uvicorn.Server):
    """Uvicorn with our settings, which says when it is ready."""

    def __init__(self, loop: Loop, recorder: LogWriter, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            lambda: build(loop, recorder),  # made inside the event loop
            factory=True,
            loop="uvloop",
            http="httptools",
            proxy_headers=False,
            access_log=False,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=10,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another port: TUNELOOP_PORT or --port"
        ) from error
    listening.listen(2048)
    return listening
