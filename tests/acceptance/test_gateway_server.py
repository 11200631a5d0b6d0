"""A gateway in a process of its own, killed at the worst moment."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import select

from tuneloop.store.database import Database
from tuneloop.store.schema import logs
from tuneloop.testing import Answer, UpstreamFake

MESSAGES = [{"role": "user", "content": "How are you?"}]


def _ids(url: str) -> set[str]:
    database = Database(url)
    with database.read() as connection:
        found = set(connection.execute(select(logs.c.id)).scalars())
    database.close()
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_killed_right_after_an_answer_nothing_is_lost(tmp_path: Path, stream: bool) -> None:
    database_url = f"sqlite:///{tmp_path / 'gateway.db'}"
    with UpstreamFake(Answer(text="Fine, thank you")) as upstream:
        command = [sys.executable, "-m", "bench.gateway", "serve", upstream.base_url, database_url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            answered = set()
            with httpx.Client(headers={"Authorization": "Bearer bench"}) as client:
                for _ in range(5):
                    call = {"model": "bench", "messages": MESSAGES, "stream": stream}
                    response = client.post(f"{url}/chat/completions", json=call)
                    assert response.status_code == 200
                    answered.add(response.headers["x-tuneloop-log-id"])
                server.send_signal(signal.SIGKILL)
                server.wait()
    assert _ids(database_url) == answered
