"""How calls are shared among models: the choice, the split of a name, what is on trial, and the way back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit.api_server import Running, running
from tests.unit.test_verbs import make_routes
from tuneloop import datasets, deployments, models
from tuneloop.cli.commands import app
from tuneloop.deployments import Wanted
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.gateway.shadows import SHADOW_OF
from tuneloop.importers import formats
from tuneloop.store import Store
from tuneloop.traffic import Share, Traffic
from tuneloop.types import Deployment, Log, Model

BIG, SMALL = "gpt-4o-mini", "ft:small"


def traffic(**shares: float) -> Traffic:
    return Traffic(alias="desk", answering=[Share(model=model, share=share) for model, share in shares.items()])


def split(store: Store, shares: Mapping[str, float] | None, **more: float) -> Deployment:
    wanted = Wanted(split=shares, shadow=more or None)
    return deployments.share(store, BIG, wanted, exists=lambda _: True, told=lambda model: f"{model}@1")


def test_calls_are_shared_by_weight() -> None:
    shared = traffic(a=60, b=30, c=10)
    for calls in (
        Counter(shared.choose().model for _ in range(10_000)),
        Counter(shared.choose(f"user {number}").model for number in range(10_000)),
    ):
        for model, part in (("a", 0.6), ("b", 0.3), ("c", 0.1)):
            assert calls[model] / 10_000 == pytest.approx(part, abs=0.02)


def test_a_user_stays_with_a_model_and_only_those_who_must_change_over() -> None:
    users = [f"user {number}" for number in range(2000)]
    before = {user: traffic(a=90, b=10).choose(user).model for user in users}
    assert before == {user: traffic(b=10, a=90).choose(user).model for user in users}
    after = {user: traffic(a=70, b=30).choose(user).model for user in users}
    changed = {(before[user], after[user]) for user in users if before[user] != after[user]}
    assert changed == {("a", "b")}
    elsewhere = Traffic(alias="other", answering=traffic(a=90, b=10).answering)
    assert {user for user in users if before[user] == "b"} != {
        user for user in users if elsewhere.choose(user).model == "b"
    }


def test_copies_are_made_of_a_part_of_the_calls() -> None:
    shared = Traffic(alias="desk", answering=traffic(a=100).answering, shadows=[Share(model="s", share=25)])
    assert sum(len(shared.copied()) for _ in range(10_000)) / 10_000 == pytest.approx(0.25, abs=0.02)
    assert shared.choose("ann").model == "a"


def test_a_name_is_split_promoted_and_brought_back(sqlite_store: Store) -> None:
    part = split(sqlite_store, {BIG: 90, SMALL: 10})
    assert (part.model, part.prompt) == (BIG, None)  # what was there is told nothing new
    assert part.shares[1] == {"model": SMALL, "share": 10.0, "prompt": "ft:small@1"}
    assert deployments.answering(sqlite_store, BIG) == part
    more = split(sqlite_store, deployments.beside(sqlite_store, BIG, SMALL, 60))
    assert [one["share"] for one in more.shares] == [60.0, 40.0] and more.model == SMALL
    done = deployments.promote(sqlite_store, BIG, user="Ann")
    assert (done.model, done.prompt, list(done.shares), done.user) == (SMALL, "ft:small@1", [], "Ann")
    assert list(deployments.rollback(sqlite_store, BIG).shares) == list(more.shares)
    assert deployments.rollback(sqlite_store, BIG).shares == part.shares
    with pytest.raises(InvalidInput, match="nothing to go back to"):
        deployments.rollback(sqlite_store, BIG)
    back = deployments.rollback(sqlite_store, BIG, exists=lambda name: name == BIG)
    assert (back.model, list(back.shares)) == (BIG, [])
    with pytest.raises(InvalidInput, match="nothing to go back to"):
        deployments.rollback(sqlite_store, BIG, exists=lambda _: True)


def test_who_is_on_trial(sqlite_store: Store) -> None:
    with pytest.raises(NotFound, match="nothing is deployed"):
        deployments.promote(sqlite_store, BIG)
    split(sqlite_store, None, shadowed=50)
    assert deployments.promote(sqlite_store, BIG).model == "shadowed"
    with pytest.raises(InvalidInput, match="nothing is on trial"):
        deployments.promote(sqlite_store, BIG)
    split(sqlite_store, {"shadowed": 80, "b": 10, "c": 10})
    with pytest.raises(InvalidInput, match="say which, of b, c"):
        deployments.promote(sqlite_store, BIG)
    with pytest.raises(NotFound, match="'d' is not on trial"):
        deployments.promote(sqlite_store, BIG, "d")
    assert deployments.promote(sqlite_store, BIG, "c").model == "c"


def test_copies_stay_when_the_split_changes_until_they_answer(sqlite_store: Store) -> None:
    split(sqlite_store, None, a=50, b=20)
    assert [one["model"] for one in split(sqlite_store, {BIG: 90, "a": 10}).shadow] == ["b"]
    ended = deployments.share(sqlite_store, BIG, Wanted(shadow={}), exists=lambda _: True, told=lambda _: None)
    assert (list(ended.shadow), len(ended.shares)) == ([], 2)
    assert deployments.beside(sqlite_store, BIG, "c", 50) == {BIG: 45.0, "a": 5.0, "c": 50}
    assert deployments.beside(sqlite_store, BIG, "a", 0) == {BIG: 100.0}
    assert deployments.beside(sqlite_store, BIG, "a", 100) == {"a": 100.0}


@pytest.mark.parametrize(
    ("shares", "shadow", "message"),
    [
        ({BIG: 0.9, SMALL: 0.1}, {}, "add up to 100, not 1"),
        ({}, {}, "add up to 100, not 0"),
        ({BIG: 100, SMALL: 0}, {}, "'split.ft:small' must be percent"),
        ({BIG: 50, SMALL: True}, {}, "'split.ft:small' must be percent"),
        ({BIG: 50, SMALL: float("nan")}, {}, "must be percent"),
        ({BIG: 100}, {SMALL: 101}, "'shadow.ft:small' must be percent"),
        ({BIG: 90, SMALL: 10}, {SMALL: 5}, "answers already"),
    ],
)
def test_wrong_shares(sqlite_store: Store, shares: dict[str, float], shadow: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        split(sqlite_store, shares, **shadow)
    assert sqlite_store.deployments.all() == []


def test_a_model_with_a_share_or_copies_is_not_deleted(sqlite_store: Store) -> None:
    for name in ("ft:x", "ft:y"):
        sqlite_store.models.add(Model(id=name, created_at=1.0, kind="tuned", base="base", owned_by="o"))
    split(sqlite_store, {BIG: 90, "ft:x": 10}, **{"ft:y": 5})
    catalog = make_routes(sqlite_store).catalog()
    assert catalog.aliases == {BIG: BIG}
    with pytest.raises(InvalidInput, match="'ft:x' answers as gpt-4o-mini"):
        models.delete(sqlite_store, "ft:x", catalog)
    with pytest.raises(InvalidInput, match="'ft:y' gets copies as gpt-4o-mini"):
        models.delete(sqlite_store, "ft:y", catalog)


def test_routes_share_calls_and_forgive_a_shadow_that_is_gone(sqlite_store: Store) -> None:
    routes = make_routes(sqlite_store)
    wanted = Wanted(split={"base": 50, "exact": 50}, shadow={"gone": 100, "gpt-9": 100})
    deployments.share(sqlite_store, "desk", wanted, exists=lambda _: True, told=lambda _: "short@1")
    routes.forget()
    found = [routes.route("desk", f"user {number}") for number in range(40)]
    assert {one.model.id for one in found} == {"base", "exact"}
    assert all(one.instructions is not None for one in found)
    assert all([shadow.model.id for shadow in one.shadows] == ["gpt-9"] for one in found)
    assert len({routes.route("desk", "ann").model.id for _ in range(20)}) == 1
    assert list(routes.route("exact").shadows) == []


def test_what_nobody_was_told_is_no_row(sqlite_store: Store) -> None:
    def log(number: int, source: str) -> Log:
        said = {"role": "assistant", "content": source}
        row = {"id": f"{source} {number}", "messages": [{"role": "user", "content": f"q{number}"}], "completion": said}
        return formats.to_log(row, source=source, cost=lambda *_: None).log

    sqlite_store.logs.add([log(number, source) for number in range(12) for source in ("gateway", "shadow")])
    made = datasets.create(sqlite_store, "given")
    answers = {row.messages[-1]["content"] for row in sqlite_store.datasets.rows(made.id)}
    assert answers == {"gateway"} and sum(made.counts.values()) == 12
    on_trial = datasets.create(sqlite_store, "trial", where="source = shadow")
    assert {row.messages[-1]["content"] for row in sqlite_store.datasets.rows(on_trial.id)} == {"shadow"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as started:
        for name in ("ft:a", "ft:b"):
            started.loop.store.models.add(Model(id=name, created_at=1.0, kind="tuned", base="b", owned_by="o"))
        started.loop.store.deployments.touch()
        yield started


def test_the_routes(server: Running) -> None:
    def post(path: str, body: object = None, status: int = 200) -> dict[str, object]:
        answered = server.client.post(f"/v1/deployments{path}", json=body)
        assert answered.status_code == status, answered.text
        found: dict[str, object] = answered.json()
        return found

    made = post("", {"alias": "fake", "split": {"fake": 90, "ft:a": 10}, "note": "carefully"})
    assert (made["object"], made["model"], made["note"]) == ("deployment", "fake", "carefully")
    assert made["shares"] == [
        {"model": "fake", "share": 90.0, "prompt": None},
        {"model": "ft:a", "share": 10.0, "prompt": None},
    ]
    assert post("", {"alias": "fake", "shadow": {"ft:b": 20}})["shares"] == made["shares"]
    assert post("", {"alias": "fake", "model": "fake", "shadow": {}})["shares"] == []
    post("/fake/rollback")
    assert server.loop.store.deployments.history("fake")[0].shadow == [{"model": "ft:b", "share": 20.0, "prompt": None}]
    assert post("/fake/promote", {})["model"] == "ft:a"
    post("/fake/rollback")
    assert post("/fake/promote", {"model": "ft:b"})["model"] == "ft:b"
    for wrong, param in (
        ({"alias": "fake", "split": [1]}, "split"),
        ({"alias": "fake", "shadow": 1}, "shadow"),
        ({"alias": 1, "split": {"fake": 100}}, "alias"),
        ({"alias": "fake", "model": 1, "shadow": {}}, "model"),
        ({"alias": "fake", "model": "ft:b", "split": {"fake": 100}}, "model"),
        ({"alias": "fake", "split": {"fake": "90"}}, "split.fake"),
        ({"alias": "fake", "split": {"fake": 100}, "prompt": 1}, "prompt"),
    ):
        assert post("", wrong, 400)["error"]["param"] == param  # type: ignore[index]
    assert post("", {"alias": "fake", "split": {"nope": 100}}, 404)["error"]["param"] == "model"  # type: ignore[index]
    post("", {"alias": "fake", "split": {"ft:b": 90, "ft:a": 10}, "evaluation": "eval_nope"}, 404)
    post("/nope/promote", {}, 404)
    assert server.client.get("/v1/deployments/nope/traffic").status_code == 404


def test_how_a_name_is_answered_lately(server: Running) -> None:
    server.client.post("/v1/deployments", json={"alias": "desk", "model": "fake"})
    call = {"model": "desk", "messages": [{"role": "user", "content": "Hi"}], "user": "ann"}
    for _ in range(3):
        assert server.client.post("/v1/chat/completions", json=call).status_code == 200
    found = server.client.get("/v1/deployments/desk/traffic").json()
    assert found["object"] == "deployment.traffic" and found["alias"] == "desk"
    (model,) = found["models"]
    assert (model["model"], model["share"], model["shadow"], model["calls"], model["errors"]) == (
        "fake",
        100.0,
        False,
        3,
        0,
    )
    assert 0 < model["p50_ms"] <= model["p95_ms"]


def test_how_models_answered(store: Store) -> None:
    def log(number: int, model: str, source: str = "gateway", status: int = 200) -> Log:
        return Log(
            id=f"{model} {source} {number}",
            created_at=10.0 + number,
            source=source,
            endpoint="/v1/chat/completions",
            model="desk",
            served_by=model,
            status=status,
            latency_ms=float(number),
            metadata={SHADOW_OF: "x"} if source == "shadow" else {},
        )

    rows = [log(number, "a") for number in range(100)] + [log(number, "b", "shadow") for number in range(10)]
    store.logs.add([*rows, log(200, "a", status=500), log(201, "a", status=499), log(3, "old")])
    wanted = Wanted(split={"a": 100}, shadow={"b": 10})
    deployments.share(store, "desk", wanted, exists=lambda _: True, told=lambda _: None)
    a, b, old = deployments.served(store, "desk", 0.0)
    assert (a.model, a.share, a.calls, a.errors, a.p50_ms, a.p95_ms) == ("a", 100.0, 102, 1, 50.0, 95.0)
    assert (b.model, b.shadow, b.share, b.calls) == ("b", True, 10.0, 10)
    assert (old.model, old.share, old.calls) == ("old", 0.0, 1)
    assert deployments.served(store, "desk", 1e9)[0].calls == 0


def test_the_commands(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(server.loop.settings.home))

    def said(*words: str) -> str:
        return CliRunner().invoke(app, words).output

    assert "desk is now ft:a" in said("deploy", "desk", "ft:a")
    assert "desk is now ft:a 90 % + ft:b 10 % (before: ft:a;" in said("deploy", "desk", "ft:b", "--share", "10")
    shown = said("deployments", "desk")
    assert "ft:a 90 % + ft:b 10 %" in shown and "calls" in shown and "live" in shown
    assert "desk is now ft:b" in said("promote", "desk")
    assert "desk is ft:a 90 % + ft:b 10 % again" in said("rollback", "desk")
    said("rollback", "desk")
    assert "ft:b gets copies of 20 %" in said("deploy", "desk", "ft:b", "--share", "20", "--shadow")
    assert "desk is now ft:a (before" in said("deploy", "desk", "ft:b", "--share", "0", "--shadow")
