"""What the gateway costs, everything included: `python -m bench.gateway`.

A mock upstream, `tuneloop serve` (SQLite with synchronous=FULL) and the load generator run in a process each. The load
goes to the upstream directly and through the gateway in turn; the difference is what the gateway adds. At the end there
must be one Log for each call answered. Beside it stands what does not depend on other work on the machine as much: the
gateway's processor time per call, and what the disk needs for one durable write.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from tuneloop.store.database import Database
from tuneloop.store.schema import logs

SECONDS = 3.0
ROUNDS = 3
#: (connections, streamed)
SHAPES = ((1, False), (16, False), (16, True))


_SETTINGS = """
[[upstreams]]
name = "bench"
base_url = "{upstream}"
models = ["bench"]
prices.bench = {{ input = 0.15, output = 0.6 }}
"""


class _Process(NamedTuple):
    url: str
    pid: int


@contextmanager
def _process(*arguments: str, **environ: str) -> Iterator[_Process]:
    """A process whose first line of output names its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the process did not start"
        yield _Process(found[0], process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def _load(url: str, connections: int, stream: bool, seconds: float = SECONDS) -> dict[str, float]:
    shape = [url, str(connections), str(seconds), "stream" if stream else "whole"]
    done = subprocess.run([sys.executable, "-m", "bench.load", *shape], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _load_gateway(gateway: _Process, connections: int, stream: bool, seconds: float) -> dict[str, float]:
    before = sum(psutil.Process(gateway.pid).cpu_times()[:2])
    measured = _load(gateway.url, connections, stream, seconds)
    used = sum(psutil.Process(gateway.pid).cpu_times()[:2]) - before
    return {**measured, "cpu_ms": round(used / measured["calls"] * 1000, 3)}


def _durable_write_ms(folder: Path, writes: int = 50) -> float:
    """Median milliseconds until 4 KiB are on disk."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as stream:
        for _ in range(writes):
            began = time.perf_counter()
            stream.write(bytes(4096))
            os.fsync(stream.fileno())
            took.append(time.perf_counter() - began)
    return round(statistics.median(took) * 1000, 3)


def run(seconds: float = SECONDS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Measure; per shape the round with the most calls per second, and whether every call was logged."""
    shapes: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            upstream = stack.enter_context(_process("bench.mock_upstream"))
            (Path(folder) / "settings.toml").write_text(_SETTINGS.format(upstream=upstream.url))
            # The server as users run it: its router, its keys, its queue of jobs, its database.
            home = {"TUNELOOP_HOME": folder, "TUNELOOP_API_KEY": "bench", "PYTHONUNBUFFERED": "1"}
            gateway = stack.enter_context(_process("tuneloop", "serve", "--port", "0", **home))
            durable_write_ms = _durable_write_ms(Path(folder))
            answered = int(_load(gateway.url, 16, False, 0.5)["calls"])  # connections and caches are made
            for connections, stream in SHAPES:
                measured = [
                    (
                        _load(upstream.url, connections, stream, seconds),
                        _load_gateway(gateway, connections, stream, seconds),
                    )
                    for _ in range(rounds)
                ]
                answered += int(sum(through["calls"] for _, through in measured))
                direct, through = max(measured, key=lambda pair: pair[1]["calls_per_second"])
                shapes.append(_row(connections, stream, direct, through))
        database = Database(f"sqlite:///{Path(folder) / 'tuneloop.db'}")
        with database.read() as connection:
            logged = connection.execute(select(func.count()).select_from(logs)).scalar_one()
        database.close()
    return {"shapes": shapes, "answered": answered, "logged": logged, "durable_write_ms": durable_write_ms}


def _row(connections: int, stream: bool, direct: dict[str, float], through: dict[str, float]) -> dict[str, Any]:
    added = {f"added_{p}_ms": round(through[p] - direct[p], 3) for p in ("p50", "p95", "p99")}
    return {"connections": connections, "stream": stream, "direct": direct, "gateway": through, **added}


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    table = Table(title="Gateway with durable logging, against a mock upstream; milliseconds per call")
    for head in ("load", "calls/s", "direct", "p50", "added p50", "added p95", "added p99", "CPU"):
        table.add_column(head, justify="right")
    for row in result["shapes"]:
        gateway = row["gateway"]
        rates = [f"{gateway['calls_per_second']:,.0f}", f"{row['direct']['calls_per_second']:,.0f}"]
        times = [gateway["p50"], *(row[f"added_{p}_ms"] for p in ("p50", "p95", "p99")), gateway["cpu_ms"]]
        load = f"{row['connections']} {'stream' if row['stream'] else 'whole'}"
        table.add_row(load, *rates, *(f"{value:.2f}" for value in times))
    Console().print(table)
    print(f"{result['answered']} calls answered, {result['logged']} logged")
    print(f"a durable write of 4 KiB takes {result['durable_write_ms']} ms on this disk")


def main() -> int:
    """Run, show, and fail when a call was lost."""
    began = time.perf_counter()
    result = run()
    show(result)
    print(f"{time.perf_counter() - began:.0f} seconds")
    return 0 if result["answered"] == result["logged"] else 1


if __name__ == "__main__":
    sys.exit(main())
