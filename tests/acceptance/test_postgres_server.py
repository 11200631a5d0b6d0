"""The same server on PostgreSQL: calls, scores, data sets and the durable queue of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.server import Server
from tuneloop.testing import UpstreamFake

SETTINGS = """
[[upstreams]]
name = "fake"
base_url = "{url}"
models = ["big-*"]
prices."big-1" = {{ input = 1.0, output = 2.0 }}
"""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_on_postgresql(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with UpstreamFake() as upstream:
        (home / "settings.toml").write_text(SETTINGS.format(url=upstream.base_url))
        with Server(home, tmp_path, TUNELOOP_DATABASE_URL=database_url) as server:
            for i in range(12):
                server.openai.chat.completions.create(
                    model="big-1",
                    messages=[{"role": "user", "content": f"question {i} \x00 ☃"}],
                    metadata={"id": str(i)},
                    stream=False,
                )
                server.client.feedback(metadata={"id": str(i)}, value="good")
            with server.openai.chat.completions.create(
                model="big-1", messages=[{"role": "user", "content": "streamed"}], stream=True
            ) as stream:
                assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
            server.kill()
            server.start()
            page = server.client.call("GET", "/logs?limit=100")
            assert len(page["data"]) == 13 and page["data"][1]["input_text"] == "question 11 \ufffd ☃"
            made = server.client.call("POST", "/datasets", {"name": "good", "where": "score.rating = good"})
            assert sum(made["counts"].values()) == 12
            file = server.openai.files.create(file=("x.jsonl", b'{"messages": []}'), purpose="fine-tune")
            job = server.openai.fine_tuning.jobs.create(model="smollm2-135m-instruct", training_file=file.id)
            done = server.until(job.id, lambda found: found.status == "failed", seconds=30)
            assert done.error.code == "invalid_training_file"
            assert "good" in server.run("datasets", "list")
