"""`tuneloop serve`: uvicorn around the API and the pages, and the queue of jobs beside it."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable
from concurrent.futures import Future

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tuneloop import batches, finetuning
from tuneloop.api.app import build
from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.evals import runs
from tuneloop.executors.queue import JobQueue
from tuneloop.gateway.wire import error_bytes
from tuneloop.loop import Loop
from tuneloop.store.log_writer import LogWriter


def serve(loop: Loop, ready: Callable[[str, str | None], None]) -> None:
    """Serve until told to stop; calls `ready(url, new API key or None)` once connections are taken.

    Ends the process: a training job that is running goes on from its last checkpoint at the next start.
    """
    for hook in loop.settings.webhooks:
        hook.key()  # a secret that is missing is better known now than when something has ended
    listening = _listen(loop.settings.host, loop.settings.port)
    host, port = listening.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}/v1"
    loop.url = url
    lock = loop.hold(url)
    key = loop.first_key()
    recorder = LogWriter(loop.store.database)
    server = Server(loop, recorder, lambda: ready(url, key), pages=True)
    queue = JobQueue(
        loop.queue_url,
        {
            "validation": loop.runner.validate,
            "fine-tuning": loop.runner.run,
            "batches": loop.batch_runner.run,
            "eval-runs": loop.eval_runner.run,
            "evaluations": server.evaluate,
        },
    )
    queue.start()
    for job in finetuning.waiting(loop.store):  # lined up already, unless it was created the moment we were killed
        loop.line_up(job)
    for batch in batches.waiting(loop.store):
        loop.enqueue("batches", batch.id)
    for run in runs.waiting(loop.store):
        loop.enqueue("eval-runs", run.id)
    for evaluation in loop.store.evaluations.waiting():
        loop.enqueue("evaluations", evaluation.id)
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


class Server(uvicorn.Server):
    """Uvicorn with our settings, which says when it is ready. `pages` has it show the web page, too, which one server
    of a process can."""

    def __init__(self, loop: Loop, recorder: LogWriter, ready: Callable[[], None], *, pages: bool = False) -> None:
        config = uvicorn.Config(
            lambda: _build(loop, recorder, pages=pages),  # made inside the event loop
            factory=True,
            loop="uvloop",
            http=_Protocol,
            proxy_headers=False,
            access_log=False,
            log_level="warning",
            lifespan="on",
            timeout_graceful_shutdown=10,
            timeout_keep_alive=75,
        )
        super().__init__(config)
        self._ready = ready
        self._loop = loop
        self._events: Future[asyncio.AbstractEventLoop] = Future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._events.set_result(asyncio.get_running_loop())
        self._ready()

    def evaluate(self, evaluation_id: str) -> None:
        """Run an evaluation in the caller's thread, its calls in this server's event loop."""
        from tuneloop import evaluating  # brings in SciPy, and a server is to start at once

        evaluating.Runner(loop=self._loop, events=self._events).run(evaluation_id)


def _build(loop: Loop, recorder: LogWriter, *, pages: bool) -> ASGIApp:
    if not pages:
        return build(loop, recorder)
    from tuneloop import ui  # takes its time to import; only a server that shows pages needs it

    site = ui.site(loop)
    return ui.Front(build(loop, recorder, beside=site.router.lifespan_context(site)), site)


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1, whose answer to what is no HTTP has the form of every other error."""

    def send_400_response(self, msg: str) -> None:
        """Answer without the application, which cannot be asked, and hang up."""
        body = error_bytes(InvalidInput(msg))
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: req_{secrets.token_hex(16)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


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
