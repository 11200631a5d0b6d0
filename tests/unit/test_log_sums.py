"""Many logs at once, over HTTP and on the command line; and the words of new ones, which a running server indexes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.contract.test_store import a_log, a_score
from tests.unit.api_server import running
from tuneloop import bulk_scores
from tuneloop.api.indexing import indexed
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Blobs, Database, Store


def test_counts_histograms_and_bulk_scores_over_http(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        server.loop.store.logs.add([a_log(n, model="b" if n % 2 else "a", created_at=100.0 * n) for n in range(20)])
        assert server.client.get("/v1/logs/count").json() == {"object": "log.count", "count": 20}
        assert server.client.get("/v1/logs/count", params={"where": "model = a"}).json()["count"] == 10
        found = server.client.get("/v1/logs/histogram", params={"where": "model = a", "buckets": 4}).json()
        assert found["object"] == "list" and found["exact"] is True
        assert sum(bar["count"] for bar in found["data"]) == 10 and 0 < len(found["data"]) <= 4
        assert set(found["data"][0]) == {"start", "end", "count"}
        for path in ("count", "histogram"):
            wrong = server.client.get(f"/v1/logs/{path}", params={"where": "modle = a"})
            assert wrong.status_code == 400 and wrong.json()["error"]["param"] == "where"
        assert server.client.get("/v1/logs/histogram", params={"buckets": 0}).status_code == 400
        bulk: dict[str, object] = {"where": "model = a", "value": "good", "user": "ann"}
        assert server.client.post("/v1/feedback/bulk", json=bulk).json() == {"object": "feedback.bulk", "scored": 10}
        bulk = {"ids": ["log_0001", "log_0001", "log_0003"], "name": "tone", "value": 0.5}
        assert server.client.post("/v1/feedback/bulk", json=bulk).json()["scored"] == 2
        rated = server.client.get("/v1/logs/count", params={"where": "score.rating = good and model = a"}).json()
        assert rated["count"] == 10
        assert server.client.get("/v1/logs/count", params={"where": "score.tone = 0.5"}).json()["count"] == 2
        bulk = {"where": "text ~ '\0'", "value": "good"}  # SQLite's LIKE ends at it, and would match everything
        assert server.client.post("/v1/feedback/bulk", json=bulk).json()["scored"] == 0
        assert server.client.get("/v1/logs/log_0002").json()["scores"][0]["user"] == "ann"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"value": "good"}, "where"),
        ({"where": "", "ids": [], "value": "good"}, "where"),
        ({"where": 3, "value": "good"}, "where"),
        ({"where": "modle = a", "value": "good"}, "where"),
        ({"ids": "log_0001", "value": "good"}, "ids"),
        ({"ids": [1], "value": "good"}, "ids"),
        ({"where": ""}, "value"),
        ({"where": "", "value": []}, "value"),
        ({"where": "", "value": "good", "name": ""}, "name"),
        ({"where": "", "correction": "better"}, "correction"),
        ({"where": "", "log_id": "log_0001", "value": "good"}, "log_id"),
    ],
)
def test_what_cannot_be_scored_at_once_is_refused(sqlite_store: Store, fields: dict[str, object], param: str) -> None:
    sqlite_store.logs.add([a_log(1)])
    with pytest.raises(InvalidInput) as caught:
        bulk_scores.give(sqlite_store, fields)
    assert caught.value.param == param
    assert sqlite_store.scores.of(["log_0001"])["log_0001"] == []


def test_an_id_that_is_no_logs_scores_none(sqlite_store: Store) -> None:
    sqlite_store.logs.add([a_log(1)])
    with pytest.raises(NotFound, match="no log 'log_0009'; none was scored"):
        bulk_scores.give(sqlite_store, {"ids": ["log_0001", "log_0009"], "value": "good"})
    assert sqlite_store.scores.of(["log_0001"])["log_0001"] == []


def test_the_command_line_counts_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    store = Store(Database(f"sqlite:///{tmp_path / 'tuneloop.db'}"), Blobs(str(tmp_path / "files")))
    store.logs.add([a_log(n, model="b" if n % 2 else "a") for n in range(6)])
    store.scores.add([a_score("log_0001", "good")])

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == 0, result.output
        return result.output

    assert said("logs", "count").strip() == "6"
    assert said("logs", "count", "--where", "score.rating = good").strip() == "1"
    assert "scored 3 logs: rating = bad" in said("feedback", "--where", "model = a", "bad")
    assert "scored 2 logs: topic = cards" in said(
        "feedback", "--where", "model = b and not scored", "cards", "--name", "topic"
    )
    assert said("logs", "count", "--where", "score.rating = bad").strip() == "3"
    store.close()


async def test_a_server_indexes_what_comes(sqlite_store: Store, caplog: pytest.LogCaptureFixture) -> None:
    texts = sqlite_store.logs.search.texts

    def waiting() -> int:
        with sqlite_store.database.read() as connection:
            return len(texts.waiting(connection, 100))

    sqlite_store.logs.add([a_log(n) for n in range(80)])
    async with indexed(sqlite_store, every=0.01):
        for _ in range(2):
            while waiting():
                await asyncio.sleep(0.01)
            sqlite_store.logs.add([a_log(100)])
        with sqlite_store.database.write() as connection:
            connection.exec_driver_sql("ALTER TABLE log_places RENAME TO elsewhere")
            connection.exec_driver_sql("INSERT INTO log_places_waiting (log_id) VALUES ('log_0001')")
        with caplog.at_level(logging.ERROR):
            while "indexing logs failed" not in caplog.text:
                await asyncio.sleep(0.01)
