"""Scores, files, deployments and models: the small verbs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs import create, run, succeed
from tuneloop import deployments, files, finetuning, models, permissions, scores
from tuneloop.errors import InvalidInput, ModelNotFound, NotFound
from tuneloop.protocols import Endpoint, Instructions
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
    return models.Routes(
        store, lambda: models.catalog(store, [base], [upstream], told), Nowhere(), [(upstream, Nowhere())]
    )


def told(prompt: str) -> Instructions:
    return Instructions(prompt=prompt, instead=lambda asked: asked)


def test_a_deployment_has_instructions_and_rolling_back_brings_them_back(sqlite_store: Store) -> None:
    routes = make_routes(sqlite_store)
    for model, prompt in (("base", "short@1"), ("exact", None)):
        deployments.deploy(sqlite_store, "desk", model, exists=lambda _: True, prompt=prompt)
    routes.forget()
    assert routes.route("desk").instructions is None
    assert deployments.rollback(sqlite_store, "desk").prompt == "short@1"
    routes.forget()
    instructions = routes.route("desk").instructions
    assert instructions is not None and instructions.prompt == "short@1"
    assert routes.route("base").instructions is None


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


def test_a_model_in_use_is_not_deleted(sqlite_store: Store) -> None:
    catalog = make_routes(sqlite_store).catalog()
    tuned = Model(id="ft:x", created_at=1.0, kind="tuned", base="base", owned_by="o")
    sqlite_store.models.add(tuned)
    deployments.deploy(sqlite_store, "a", "ft:x", exists=lambda _: True)
    with pytest.raises(InvalidInput, match="answers as a"):
        models.delete(sqlite_store, "ft:x", catalog)
    deployments.deploy(sqlite_store, "a", "base", exists=lambda _: True)
    job = create(sqlite_store, model="ft:x")
    with pytest.raises(InvalidInput, match=f"the job {job.id} goes on from 'ft:x'"):
        models.delete(sqlite_store, "ft:x", catalog)
    finetuning.cancel(sqlite_store, job.id)
    models.delete(sqlite_store, "ft:x", catalog)
    with pytest.raises(ModelNotFound):
        models.delete(sqlite_store, "ft:x", catalog)


def test_only_tuned_models_are_deleted(sqlite_store: Store) -> None:
    deployments.deploy(sqlite_store, "a", "base", exists=lambda _: True)
    catalog = make_routes(sqlite_store).catalog()
    for name in ("base", "exact", "a"):
        with pytest.raises(InvalidInput, match="only tuned models can"):
            models.delete(sqlite_store, name, catalog)
    with pytest.raises(ModelNotFound, match="The model 'nope\0' does not exist"):
        models.delete(sqlite_store, "nope\0", catalog)


def test_checkpoints_go_with_their_model_or_alone(sqlite_store: Store, tmp_path: Path) -> None:
    done = run(sqlite_store, tmp_path, create(sqlite_store), succeed)
    name, store = done.fine_tuned_model or "", sqlite_store
    catalog = make_routes(store).catalog()
    permissions.grant(store, f"{name}:ckpt-step-1", {"project_ids": ["p"]})
    models.delete(store, f"{name}:ckpt-step-1", catalog)
    assert [one.step for one in store.checkpoints.all()] == [2] and store.permissions.all() == []
    folder = tmp_path / "jobs" / done.id
    assert not (folder / "checkpoints" / "epoch-1").exists() and (folder / "adapter").exists()
    models.delete(store, name, catalog)
    assert store.models.all() == [] and store.checkpoints.all() == []
    assert not (folder / "checkpoints" / "epoch-2").exists() and not (folder / "adapter").exists()


def test_permissions(store: Store, tmp_path: Path) -> None:
    done = run(store, tmp_path, create(store), succeed)
    name = f"{done.fine_tuned_model}:ckpt-step-2"
    first, second = permissions.grant(store, name, {"project_ids": ["p1", "p2", "p1"]})
    assert (first.project_id, first.model) == ("p1", name)
    assert [one.project_id for one in permissions.grant(store, name, {"project_ids": ["p3", "p1"]})] == ["p3", "p1"]
    found, more = permissions.page(store, name, limit=2, ascending=True)
    assert ([one.project_id for one in found], more) == (["p1", "p2"], True)
    assert permissions.page(store, name, limit=2, after=second.id, ascending=False) == ([first], False)
    assert permissions.page(store, name, "p2", limit=2, ascending=False) == ([second], False)
    permissions.revoke(store, name, second.id)
    for unknown in (second.id, "cp_\0"):
        with pytest.raises(NotFound, match="No such permission"):
            permissions.revoke(store, name, unknown)
    with pytest.raises(NotFound, match="No such permission"):
        permissions.revoke(store, done.fine_tuned_model or "", first.id)
    for wrong in (None, [], "p", [""], ["\ud800"]):
        with pytest.raises(InvalidInput, match="'project_ids' must be"):
            permissions.grant(store, name, {"project_ids": wrong})
    with pytest.raises(NotFound, match="Could not find checkpoint"):
        permissions.grant(store, "base", {"project_ids": ["p"]})
