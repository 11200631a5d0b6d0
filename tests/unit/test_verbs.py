"""Scores, files, deployments and models: the small verbs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tuneloop import deployments, files, models, scores
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.protocols import Endpoint
from tuneloop.settings import Upstream
from tuneloop.store import Store
from tuneloop.types import Log, Model


@pytest.fixture
def logged(sqlite_store: Store) -> Store:
    def log(name: str, **fields: Any) -> Log:
        kept = {"source": "api", "endpoint": "/v1/chat/completions", "model": "m", "status": 200, "created_at": 1.0}
        return Log(id=name, **{**kept, **fields})

    sqlite_store.logs.add(
        [
            log("log_1", metadata={"id": "q1", "team": "a"}, response_id="chatcmpl-1"),
            log("log_2", metadata={"id": "q2", "team": "a"}),
        ]
    )
    return sqlite_store


def test_feedback_names_a_call_in_four_ways(logged: Store) -> None:
    for fields in ({"log_id": "log_1"}, {"log_id": "chatcmpl-1"}, {"metadata": {"id": "q1"}}, {"metadata_id": "q1"}):
        given = scores.give(logged, {**fields, "value": "good", "user": "ann"})
        assert (given.log_id, given.name, given.value, given.user) == ("log_1", "rating", "good", "ann")
    assert len(logged.scores.of(["log_1"])["log_1"]) == 4


def test_a_correction_alone_is_feedback(logged: Store) -> None:
    given = scores.give(logged, {"log_id": "log_1", "correction": "better"})
    assert given.correction == {"role": "assistant", "content": "better"}


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"value": 1}, InvalidInput, "say which call"),
        ({"log_id": "nope", "value": 1}, NotFound, "no log 'nope'"),
        ({"metadata": {"id": "nope"}, "value": 1}, NotFound, "metadata id='nope'"),
        ({"metadata": {"team": "a"}, "value": 1}, InvalidInput, "several logs"),
        ({"log_id": "log_1"}, InvalidInput, "value, a comment or a correction"),
        ({"log_id": "log_1", "value": []}, InvalidInput, "'value' must be"),
        ({"log_id": "log_1", "value": 1, "name": ""}, InvalidInput, "'name' must be"),
        ({"log_id": "log_1", "value": 1, "comment": 3}, InvalidInput, "'comment' must be a text"),
        ({"log_id": "log_1", "value": 1, "source": "x"}, InvalidInput, "'source' must be one of"),
        ({"log_id": "log_1", "correction": {"role": "user", "content": "x"}}, InvalidInput, "'correction' must be"),
        ({"log_id": "log_1", "correction": " "}, InvalidInput, "'correction' must be"),
    ],
)
def test_wrong_feedback_is_refused(logged: Store, fields: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        scores.give(logged, fields)
    assert logged.scores.of(["log_1"]) == {"log_1": []}


def test_files(sqlite_store: Store) -> None:
    one = files.create(sqlite_store, "ü.jsonl", "fine-tune", [b"ab", b"c"])
    two = files.create(sqlite_store, "same bytes", "user_data", [b"abc"])
    assert (one.bytes, b"".join(files.content(sqlite_store, one.id))) == (3, b"abc")
    files.delete(sqlite_store, one.id)
    with pytest.raises(NotFound, match="No such File object"):
        files.get(sqlite_store, one.id)
    assert b"".join(files.content(sqlite_store, two.id)) == b"abc"
    with pytest.raises(InvalidInput, match="'x' is not one of"):
        files.create(sqlite_store, "f", "x", [b""])


def test_rolling_back_goes_back_one_deployment_at_a_time(sqlite_store: Store) -> None:
    def live() -> str:
        return sqlite_store.deployments.live()["a"]

    for model in ("m1", "m2", "m3"):
        deployments.deploy(sqlite_store, "a", model, exists=lambda _: True)
    steps = []
    for _ in range(2):
        deployments.rollback(sqlite_store, "a")
        steps.append(live())
    assert steps == ["m2", "m1"]
    with pytest.raises(InvalidInput, match="nothing to go back to"):
        deployments.rollback(sqlite_store, "a")
    deployments.deploy(sqlite_store, "a", "m4", exists=lambda _: True)
    assert deployments.rollback(sqlite_store, "a").model == "m1"
    with pytest.raises(NotFound, match="nothing is deployed as 'b'"):
        deployments.rollback(sqlite_store, "b")


def test_wrong_deployments(sqlite_store: Store) -> None:
    with pytest.raises(InvalidInput, match="an alias is"):
        deployments.deploy(sqlite_store, "a b", "m", exists=lambda _: True)
    with pytest.raises(NotFound, match="no model 'm'"):
        deployments.deploy(sqlite_store, "a", "m", exists=lambda _: False)
    with pytest.raises(InvalidInput, match="own name"):
        deployments.deploy(sqlite_store, "m", "m", exists=lambda _: True)


class Nowhere:
    """An engine that is never asked."""

    async def endpoint(self, model: Model, path: str = "") -> Endpoint:
        raise AssertionError


def make_routes(store: Store) -> models.Routes:
    base = Model(id="base", created_at=0.0, kind="base", base="base", owned_by="tuneloop")
    upstream = Upstream(name="up", base_url="http://x/v1", models=("gpt-*", "exact"))
    return models.Routes(store, lambda: models.catalog(store, [base], [upstream]), Nowhere(), [(upstream, Nowhere())])


def test_routes(sqlite_store: Store) -> None:
    routes = make_routes(sqlite_store)
    tuned = Model(id="ft:base:o:s:1", created_at=1.0, kind="tuned", base="base", owned_by="o", adapter="/a")
    sqlite_store.models.add(tuned)
    sqlite_store.deployments.touch()
    assert routes.route("base").model.kind == "base"
    assert routes.route(tuned.id).model == tuned
    assert routes.route("gpt-9").model == Model(
        id="gpt-9", created_at=0.0, kind="upstream", base="gpt-9", owned_by="up"
    )
    assert set(routes.catalog().upstream) == {"exact"}
    with pytest.raises(ModelNotFound, match="`nope` does not exist"):
        routes.route("nope")
    assert routes.exists("gpt-9") and not routes.exists("nope")


def test_a_deployment_is_noticed_at_once_and_takes_over_an_upstream_name(sqlite_store: Store) -> None:
    routes = make_routes(sqlite_store)
    assert routes.route("gpt-4o").model.id == "gpt-4o"
    deployments.deploy(sqlite_store, "gpt-4o", "base", exists=routes.exists)
    time.sleep(models.FRESH)
    assert routes.route("gpt-4o").model.id == "base"


def test_a_live_model_is_not_deleted(sqlite_store: Store) -> None:
    tuned = Model(id="ft:x", created_at=1.0, kind="tuned", base="base", owned_by="o")
    sqlite_store.models.add(tuned)
    deployments.deploy(sqlite_store, "a", "ft:x", exists=lambda _: True)
    with pytest.raises(InvalidInput, match="answers as a"):
        models.delete(sqlite_store, "ft:x")
    deployments.deploy(sqlite_store, "a", "base", exists=lambda _: True)
    assert models.delete(sqlite_store, "ft:x") == tuned
    with pytest.raises(ModelNotFound):
        models.delete(sqlite_store, "ft:x")
