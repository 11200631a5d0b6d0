"""API keys and people: verbs, routes and commands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit import api_server
from tests.unit.api_server import KEY, Running, ask
from tuneloop import keys, people
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Store
from tuneloop.store.keys import digest, hint


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with api_server.running(tmp_path_factory.mktemp("home")) as started:
        yield started


def test_a_key_is_made_used_and_taken_back(store: Store) -> None:
    made, secret = keys.create(store, " shop ")
    assert (made.name, made.used_at) == ("shop", None) and made.hint == f"{secret[:5]}...{secret[-4:]}"
    assert secret not in repr(made) and digest(secret) in store.keys.hashes()
    store.keys.note_use(digest(secret))
    (used,) = keys.listed(store, None)
    assert used.used_at is not None and time.time() - used.used_at < 5
    store.keys.keep_uses()
    assert keys.listed(store, None) == [used]
    cookie = people.sign_in(store, secret, lambda _: True)
    found = people.session(store, cookie)
    assert found is not None and found.person_id == made.id and found.may("owner")
    keys.delete(store, made.id)
    assert not store.keys.hashes() and people.session(store, cookie) is None
    with pytest.raises(NotFound, match=made.id):
        keys.delete(store, made.id)


def test_the_preset_key_is_shown_as_such_and_stays(store: Store) -> None:
    (preset,) = keys.listed(store, "tl-0123456789012345678901")
    assert (preset.id, preset.hint) == (keys.PRESET, "tl-01...8901")
    assert hint("short") == "..."
    with pytest.raises(InvalidInput, match="TUNELOOP_API_KEY"):
        keys.delete(store, keys.PRESET)


@pytest.mark.parametrize("name", ["", "  ", "x" * 81])
def test_a_key_has_a_name(store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 80"):
        keys.create(store, name)


def test_keys_over_http(server: Running) -> None:
    made = ask(server, "POST", "/keys", {"name": "shop"})
    assert set(made) == {"id", "object", "created_at", "name", "hint", "used_at", "preset", "key"}
    mine = {"Authorization": f"Bearer {made['key']}"}
    assert server.client.get("/v1/models", headers=mine).status_code == 200
    listed = ask(server, "GET", "/keys")
    assert [(one["name"], one["preset"]) for one in listed["data"]] == [("TUNELOOP_API_KEY", True), ("shop", False)]
    assert listed["data"][1]["used_at"] is not None and KEY not in str(listed) and made["key"] not in str(listed)
    assert ask(server, "GET", "/keys?limit=1")["has_more"]
    assert ask(server, "GET", "/keys?after=key_preset")["data"][0]["id"] == made["id"]
    assert ask(server, "DELETE", f"/keys/{made['id']}") == {
        "id": made["id"],
        "object": "api_key.deleted",
        "deleted": True,
    }
    assert server.client.get("/v1/models", headers=mine).status_code == 401
    for method, path, body, status in (
        ("DELETE", f"/keys/{made['id']}", None, 404),
        ("DELETE", "/keys/key_preset", None, 400),
        ("POST", "/keys", {}, 400),
        ("POST", "/keys", {"name": 3}, 400),
        ("POST", "/keys", {"name": ""}, 400),
        ("GET", "/keys?after=nothing", None, 404),
    ):
        assert ask(server, method, path, body, status)["error"]["message"]


def test_people_over_http(server: Running) -> None:
    made = ask(server, "POST", "/people", {"name": "Ann", "role": "reviewer"})
    assert (made["role"], made["signed_in"]) == ("reviewer", [])
    url, _, secret = made["link"].partition("/?token=")
    assert url == server.url
    people.sign_in(server.loop.store, secret, lambda _: False)
    (listed,) = ask(server, "GET", "/people")["data"]
    assert listed["id"] == made["id"] and len(listed["signed_in"]) == 1 and secret not in str(listed)
    assert ask(server, "POST", f"/people/{made['id']}", {"role": "owner"})["role"] == "owner"
    assert ask(server, "DELETE", f"/people/{made['id']}")["deleted"] is True
    assert ask(server, "GET", "/people")["data"] == [] and people.signed_in(server.loop.store) == []
    assert ask(server, "POST", "/people", {"name": "Bob"})["role"] == "viewer"
    for method, path, body, status, param in (
        ("POST", "/people", {"name": "Bob", "role": "king"}, 400, "role"),
        ("POST", "/people", {"name": ["Bob"]}, 400, "name"),
        ("POST", "/people", {}, 400, "name"),
        ("POST", "/people/nobody", {"role": "owner"}, 404, "id"),
        ("POST", "/people/nobody", {}, 400, "role"),
        ("DELETE", "/people/nobody", None, 404, "id"),
    ):
        assert ask(server, method, path, body, status)["error"]["param"] == param


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    run = CliRunner()

    def said(*arguments: str) -> str:
        done = run.invoke(app, list(arguments), env={"COLUMNS": "300"})
        assert done.exception is None, done.exception
        return done.output

    secret = said("keys", "create", "shop").split("only now: ")[1].split()[0]
    assert secret.startswith("tl-")
    listed = said("keys", "list")
    assert "shop" in listed and secret not in listed
    key_id = next(word for word in listed.split() if word.startswith("key_"))
    assert "good no longer" in said("keys", "delete", key_id)
    assert isinstance(run.invoke(app, ["keys", "delete", key_id]).exception, NotFound)
    assert "Nobody yet" in said("people", "list")
    assert "/?token=" in said("people", "invite", "Ann", "--role", "reviewer")
    listed = said("people", "list")
    person = next(word for word in listed.split() if word.startswith("person_"))
    assert "Ann" in listed and "reviewer" in listed
    assert "Ann is owner now" in said("people", "role", person, "owner")
    assert "signed out" in said("people", "remove", person)
    assert isinstance(run.invoke(app, ["people", "invite", "Ann", "--role", "king"]).exception, InvalidInput)
