"""What the gateway costs, everything included: `python -m bench.gateway`.

A mock upstream, the gateway (real router, database with synchronous=FULL, log writer) and the load generator run in
a process each. The load goes to the upstream directly and through the gateway in turn; the difference is what the
gateway adds. At the end there must be one Log for each call answered.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from tuneloop.engines.upstream import UpstreamEngine
from tuneloop.errors import ModelNotFound
from tuneloop.gateway import Gateway
from tuneloop.gateway.wire import Receive, Scope, Send
from tuneloop.protocols import Route
from tuneloop.settings import Upstream
from tuneloop.store.database import Database
from tuneloop.store.log_writer import LogWriter
from tuneloop.store.schema import logs
from tuneloop.types import Model

SECONDS = 3.0
ROUNDS = 3
#: (connections, streamed)
SHAPES = ((1, False), (16, False), (16, True))


class _OneModel:
    """Routes every name to one upstream."""

    def __init__(self, base_url: str) -> None:
        model = Model(id="bench", created_at=0.0, kind="upstream", base="bench", owned_by="bench")
        self._route = Route(model=model, engine=UpstreamEngine(Upstream(name="bench", base_url=base_url)))

    def route(self, name: str) -> Route:
        if name != "bench":
            raise ModelNotFound(f"no model {name!r}")
        return self._route


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def serve(upstream: str, database_url: str) -> None:
    """The gateway's process."""
    database = Database(database_url)
    writer = LogWriter(database)
    gateway = Gateway(
        router=_OneModel(upstream),
        recorder=writer,
        keys=lambda key: key == "bench",
        cost=lambda provider, model, prompt, completion: (prompt * 0.15 + completion * 0.6) / 1e6,
        fallback=_nothing,
    )
    config = uvicorn.Config(
        gateway, host="127.0.0.1", port=0, loop="uvloop", http="httptools", access_log=False, lifespan="off",
        log_level="warning",
    )  # fmt: skip
    sock = config.bind_socket()
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", flush=True)
    uvicorn.Server(config).run([sock])
    writer.close()


@contextmanager
def _process(*arguments: str) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _load(url: str, connections: int, stream: bool, seconds: float = SECONDS) -> dict[str, float]:
    shape = [url, str(connections), str(seconds), "stream" if stream else "whole"]
    done = subprocess.run([sys.executable, "-m", "bench.load", *shape], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def run(seconds: float = SECONDS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure; per shape the round with the most calls per second, and whether every call was logged."""
    shapes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        database_url = f"sqlite:///{Path(folder) / 'bench.db'}"
        with (
            _process("bench.mock_upstream") as upstream,
            _process("bench.gateway", "serve", upstream, database_url) as gateway,
        ):
            answered = int(_load(gateway, 16, False, 0.5)["calls"])  # the first calls pay for connections and caches
            for connections, stream in SHAPES:
                measured = [
                    (_load(upstream, connections, stream, seconds), _load(gateway, connections, stream, seconds))
                    for _ in range(rounds)
                ]
                answered += int(sum(through["calls"] for _, through in measured))
                direct, through = max(measured, key=lambda pair: pair[1]["calls_per_second"])
                shapes.append(_row(connections, stream, direct, through))
        database = Database(database_url)
        with database.read() as connection:
            logged = connection.execute(select(func.count()).select_from(logs)).scalar_one()
        database.close()
    return {"shapes": shapes, "answered": answered, "logged": logged}


def _row(connections: int, stream: bool, direct: dict[str, float], through: dict[str, float]) -> dict[str, Any]:
    added = {f"added_{p}_ms": round(through[p] - direct[p], 3) for p in ("p50", "p95", "p99")}
    return {"connections": connections, "stream": stream, "direct": direct, "gateway": through, **added}


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title="Gateway with durable logging, against a mock upstream")
    for head in ("connections", "answer", "calls/s", "direct calls/s", "p50 ms", "added p50", "added p95", "added p99"):
        table.add_column(head, justify="right")
    for row in result["shapes"]:
        rates = [row["gateway"]["calls_per_second"], row["direct"]["calls_per_second"], row["gateway"]["p50"]]
        added = [row[f"added_{p}_ms"] for p in ("p50", "p95", "p99")]
        kind = "streamed" if row["stream"] else "whole"
        table.add_row(str(row["connections"]), kind, *(f"{value:,.2f}" for value in rates + added))
    Console().print(table)
    print(f"{result['answered']} calls answered, {result['logged']} logged")


def main() -> int:
    """Run, show, and fail when a call was lost."""
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3])
        return 0
    began = time.perf_counter()
    result = run()
    show(result)
    print(f"{time.perf_counter() - began:.0f} seconds")
    return 0 if result["answered"] == result["logged"] else 1


if __name__ == "__main__":
    sys.exit(main())
