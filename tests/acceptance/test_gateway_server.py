"""The server killed at the worst moment: right after an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.server import Server
from tuneloop import filters
from tuneloop.store import Database
from tuneloop.store.logs import LogTable
from tuneloop.testing import Answer, UpstreamFake

SETTINGS = """
[[upstreams]]
name = "fake"
base_url = "{url}"
models = ["big"]
"""


@pytest.mark.parametrize("stream", [False, True])
def test_killed_right_after_an_answer_nothing_is_lost(tmp_path: Path, stream: bool) -> None:
    home = tmp_path / "home"
    home.mkdir()
    answered: list[str] = []
    with UpstreamFake(Answer(text="Fine, thank you")) as upstream:
        (home / "settings.toml").write_text(SETTINGS.format(url=upstream.base_url))
        with Server(home, tmp_path) as server:
            for turn in range(5):
                answered.append(_ask(server, f"question {turn}", stream))
            server.kill()
            database = Database(f"sqlite:///{home / 'tuneloop.db'}")
            found = [log.id for log in LogTable(database).each(filters.parse("output = 'Fine, thank you'"))]
            database.close()
            assert found == answered[::-1]
            server.start()


def _ask(server: Server, text: str, stream: bool) -> str:
    """The log id of an answer that was read to its last byte."""
    messages: Any = [{"role": "user", "content": text}]
    raw = server.openai.chat.completions.with_raw_response
    response = raw.create(model="big", messages=messages, stream=stream)
    response.http_response.read()
    return response.headers["x-tuneloop-log-id"]
