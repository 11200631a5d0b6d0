"""A job that is lined up before any server has run in this home waits for the first one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.server import Server


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_a_job_waits_for_the_first_server(database_url: str, tmp_path: Path, smollm2: Path) -> None:
    server = Server(tmp_path / "home", smollm2.parent, TUNELOOP_DATABASE_URL=database_url)
    file = tmp_path / "train.jsonl"
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
    texts = [
        json.dumps({**row, "messages": [{"role": "user", "content": f"{i}"}, row["messages"][1]]}) for i in range(12)
    ]
    file.write_text("\n".join(texts))
    server.run("datasets", "import", "my set", str(file), "--into", "train")
    job = next(word for word in server.run("tune", "my set", "--detach").split() if word.startswith("ftjob-"))
    with server:
        server.until(job, lambda found: found.status == "running", seconds=60)
        assert server.openai.fine_tuning.jobs.cancel(job).status == "cancelled"
