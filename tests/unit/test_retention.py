"""Old logs go, and those that somebody needs stay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from tests.unit import api_server
from tuneloop import datasets, filters, retention, settings
from tuneloop.api.sweeping import swept
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput
from tuneloop.importers import formats
from tuneloop.store import Store
from tuneloop.store.graders import reviews
from tuneloop.store.pruning import Pruning
from tuneloop.store.schema import log_metadata, scores, stored, stored_terms
from tuneloop.types import Log

DAY = retention.DAY
NOW = time.time()


def log(number: int, days: float, rating: str | None = None, **more: Any) -> formats.Imported:
    row = {
        "id": f"call {number}",
        "messages": [{"role": "user", "content": f"q{number}"}],
        "completion": f"a{number}",
        "created_at": NOW - days * DAY,
        "metadata": {"n": str(number)},
        **more,
    }
    rated = {"feedback": {"rating": rating}} if rating else {}
    return formats.to_log(row | rated, source="import", cost=lambda *_: 0.0)


def put(store: Store, *many: formats.Imported) -> None:
    store.logs.add([one.log for one in many])
    store.scores.add([score for one in many for score in one.scores])


def left(store: Store) -> set[str]:
    return {one.input_text for one in store.logs.each(filters.All(()))}


def rows(store: Store, table: Any) -> int:
    with store.database.read() as connection:
        return len(connection.execute(table.select()).all())


def test_scored_logs_and_those_in_data_sets_stay(store: Store) -> None:
    put(store, *(log(number, 100) for number in range(4)), log(4, 100, "good"), log(5, 1))
    put(store, *(log(number, 100, user="desk") for number in range(10, 22)))
    datasets.create(store, "desk", where="user = desk")
    asked = log(2, 100).log.id
    with store.database.write() as connection:
        connection.execute(
            reviews.insert().values(
                id="review_1", created_at=1.0, grader="g", question="?", shown={}, labels=[], passing=[], low=0.0,
                high=1.0, subject=asked,
            )
        )  # fmt: skip
    before = time.time() - 90 * DAY
    assert retention.count(store, before) == 3 and retention.count(store, before, spare=False) == 17
    heard: list[int] = []
    assert retention.prune(store, before, tell=heard.append) == 3 and heard == [3]
    assert left(store) == {"q2", "q4", "q5", *(f"q{number}" for number in range(10, 22))}
    assert rows(store, log_metadata) == 2 * 15  # theirs, and the id that they came with
    assert retention.prune(store, before, filters.parse("scored"), spare=False) == 1 and rows(store, scores) == 0
    assert retention.prune(store, before, spare=False) == 13 and left(store) == {"q5"}
    assert [row.log_id for row in store.datasets.rows(store.datasets.named("desk").id)]  # the rows stay


def test_many_go_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    put(store, *(log(number, 100, "good" if number % 4 == 0 else None) for number in range(20)))
    heard: list[int] = []
    assert retention.prune(store, time.time(), tell=heard.append) == 15
    assert heard == [3, 6, 9, 12, 15] and len(left(store)) == 5


def test_what_came_to_be_kept_meanwhile_stays(store: Store) -> None:
    put(store, log(1, 100), log(2, 100))
    pruning = Pruning(store.database)
    found = pruning.find(filters.All(()), spare=True, after=None, limit=10)
    store.scores.add(log(1, 100, "good").scores)  # of the same log: its id is the hash of what it says
    assert pruning.delete([log_id for _, log_id in found], spare=True) == 1 and left(store) == {"q1"}


def test_stored_completions_go_with_their_logs(store: Store) -> None:
    made = log(1, 100).log
    fields = {name: getattr(made, name) for name in Log.__dataclass_fields__}
    request = orjson.dumps({"model": "m", "messages": [], "store": True, "metadata": {"n": "1"}})
    call = Log(**{**fields, "source": "gateway", "endpoint": "/v1/chat/completions", "status": 200, "error": None,
                  "response_id": "chatcmpl-1", "request": request})  # fmt: skip
    store.logs.add([call])
    assert rows(store, stored) == 1 and rows(store, stored_terms) > 0
    assert retention.prune(store, time.time()) == 1
    assert rows(store, stored) == rows(store, stored_terms) == 0


def test_without_days_nothing_goes(store: Store) -> None:
    put(store, log(1, 1000), log(2, 10))
    assert retention.sweep(store, None) == 0
    assert retention.sweep(store, 365) == 1 and left(store) == {"q2"}


async def test_the_server_sweeps(sqlite_store: Store) -> None:
    put(sqlite_store, log(1, 100), log(2, 1))
    async with swept(sqlite_store, days=30):
        for _ in range(100):
            if left(sqlite_store) == {"q2"}:
                return
            await asyncio.sleep(0.02)
    raise AssertionError(left(sqlite_store))


@pytest.mark.parametrize(("text", "ago"), [("90d", 90 * DAY), ("12h", 12 * 3600), ("2w", 14 * DAY)])
def test_moments(text: str, ago: float) -> None:
    assert retention.moment(text) == pytest.approx(time.time() - ago, abs=5)
    assert retention.moment("2026-01-31") == 1769817600


@pytest.mark.parametrize("text", ["", "90", "d", "yesterday", "-3d", "1000000000d"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidInput, match="90d") as caught:
        retention.moment(text)
    assert caught.value.param == "before"


def test_the_setting(tmp_path: Path) -> None:
    environ = {"TUNELOOP_HOME": str(tmp_path)}
    assert settings.load(environ).retention_days is None
    assert settings.load({**environ, "TUNELOOP_RETENTION_DAYS": "30"}).retention_days == 30
    with pytest.raises(InvalidInput, match="TUNELOOP_RETENTION_DAYS"):
        settings.load({**environ, "TUNELOOP_RETENTION_DAYS": "0"})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[api_server.Running]:
    with api_server.running(tmp_path) as started:
        yield started


def test_over_http_and_from_the_command_line(server: api_server.Running, monkeypatch: pytest.MonkeyPatch) -> None:
    put(server.loop.store, *(log(number, 100) for number in range(4)), log(4, 100, "good"))

    def ask(**body: Any) -> Any:
        return server.client.post("/v1/logs/prune", json=body).json()

    dry = ask(before="90d", where='metadata.n in ("0", "4")', dry_run=True)
    assert (dry["object"], dry["matching"], dry["deleted"], dry["dry_run"]) == ("logs.pruned", 2, 1, True)
    assert len(left(server.loop.store)) == 5
    assert ask(before="90d", where='metadata.n in ("0", "4")', all=True)["deleted"] == 2
    assert left(server.loop.store) == {"q1", "q2", "q3"}
    for body, param in (({}, "before"), ({"before": "soon"}, "before"), ({"before": "1d", "all": "yes"}, "all")):
        assert ask(**body)["error"]["param"] == param
    assert ask(before="1d", where="nonsense ~")["error"]["type"] == "invalid_request_error"
    monkeypatch.setenv("TUNELOOP_HOME", str(server.loop.settings.home))
    run = CliRunner()
    assert "3 logs" in run.invoke(app, ["logs", "prune", "--before", "90d", "--dry-run"]).output
    assert "3 logs" in run.invoke(app, ["logs", "prune", "--before", "90d"]).output
    assert left(server.loop.store) == set()
