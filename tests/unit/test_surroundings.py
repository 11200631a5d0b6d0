"""Upstreams and webhooks: listed without a secret, and tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.unit import api_server
from tests.unit.api_server import Running
from tuneloop.cli.commands import app
from tuneloop.engines.trying import try_upstream
from tuneloop.errors import InvalidInput, Unavailable
from tuneloop.settings import Upstream, Webhook
from tuneloop.testing import Answer, UpstreamFake

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
LISTED = Answer(raw=b'{"object": "list", "data": [{"id": "gpt-4o"}, {"id": "gpt-4o-mini"}]}')


@pytest.fixture
def fake() -> Iterator[UpstreamFake]:
    with UpstreamFake(LISTED) as made:
        yield made


def at(fake: UpstreamFake, *models: str) -> Upstream:
    return Upstream(name="far", base_url=fake.base_url, api_key_env="FAR_KEY", models=models)


async def test_one_that_answers(fake: UpstreamFake) -> None:
    tried = await try_upstream(at(fake, "gpt-4o*"), {"FAR_KEY": "secret"})
    assert (tried.error, tried.models) == (None, ("gpt-4o", "gpt-4o-mini")) and tried.latency_ms is not None
    (asked,) = fake.requests
    assert asked.path.endswith("/models") and asked.headers["authorization"] == "Bearer secret"


async def test_one_without_a_list_is_asked_for_a_token(fake: UpstreamFake) -> None:
    fake.enqueue(Answer(status=404, text="Not found"), Answer(text="Hi"))
    tried = await try_upstream(at(fake, "gpt-*", "gpt-4o"), {"FAR_KEY": "secret"})
    assert (tried.error, tried.models) == (None, None)
    assert fake.requests[1].json["model"] == "gpt-4o" and fake.requests[1].json["max_tokens"] == 1


@pytest.mark.parametrize(
    ("status", "said", "way_out"),
    [(401, "401: wrong key", "FAR_KEY"), (404, "404", "ends in /v1"), (500, "500: broken", "trouble of its own")],
)
async def test_one_that_refuses(fake: UpstreamFake, status: int, said: str, way_out: str) -> None:
    text = {401: "wrong key", 404: "no", 500: "broken"}[status]
    fake.enqueue(Answer(status=status, text=text))
    tried = await try_upstream(at(fake, "gpt-*"), {"FAR_KEY": "secret"})
    assert said in str(tried.error) and way_out in str(tried.way_out) and "secret" not in repr(tried)


async def test_what_is_wrong_before_anything_is_asked(fake: UpstreamFake) -> None:
    tried = await try_upstream(at(fake, "gpt-*"), {})
    assert "FAR_KEY is not set" in str(tried.error) and not fake.requests
    tried = await try_upstream(at(fake, "claude-*"), {"FAR_KEY": "secret"})
    assert "none of them" in str(tried.error) and "gpt-4o" in str(tried.way_out)
    away = Upstream(name="away", base_url="http://127.0.0.1:9/v1", models=("x",))
    tried = await try_upstream(away, {})
    assert "cannot connect to 127.0.0.1:9" in str(tried.error) and tried.way_out


@pytest.fixture
def server(tmp_path: Path, fake: UpstreamFake, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("FAR_KEY", "secret-of-far")
    known = at(fake, "gpt-*"), Upstream(name="odd", base_url="http://ann:password@127.0.0.1:9/v1", models=("x",))
    hook = Webhook(url=f"{fake.base_url}/hook", secret=SECRET)
    with api_server.running(tmp_path, upstreams=known, webhooks=(hook,)) as started:
        yield started


def test_over_http(server: Running, fake: UpstreamFake) -> None:
    listed = server.client.get("/v1/upstreams")
    assert [(one["id"], one["has_key"]) for one in listed.json()["data"]] == [
        ("fake", False),
        ("far", True),
        ("odd", False),
    ]
    assert "secret-of-far" not in listed.text and "password" not in listed.text
    assert server.client.post("/v1/upstreams/far/test").json()["ok"] is True
    assert server.client.post("/v1/upstreams/odd/test").json()["ok"] is False
    assert server.client.post("/v1/upstreams/none/test").status_code == 404
    hooks = server.client.get("/v1/webhooks")
    (hook,) = hooks.json()["data"]
    assert hook["events"] == ["*"] and SECRET not in hooks.text
    tested = server.client.post("/v1/webhooks/test", json={"url": hook["id"]}).json()
    assert (tested["ok"], tested["status"]) == (True, 200)
    assert fake.requests[-1].headers["webhook-signature"].startswith("v1,")
    assert server.client.post("/v1/webhooks/test", json={"url": "http://other"}).status_code == 404
    assert server.client.post("/v1/webhooks/test", json={}).status_code == 400


def test_from_the_command_line(tmp_path: Path, fake: UpstreamFake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    run = CliRunner()
    assert "No upstreams yet: write [[upstreams]]" in run.invoke(app, ["upstreams", "list"]).output
    assert isinstance(run.invoke(app, ["upstreams", "test"]).exception, InvalidInput)
    lines = ["[[upstreams]]", 'name = "far"', f'base_url = "{fake.base_url}"', 'models = ["gpt-*"]']
    (tmp_path / "settings.toml").write_text("\n".join([*lines, 'api_key_env = "FAR_KEY"']))
    assert "FAR_KEY (not set)" in run.invoke(app, ["upstreams", "list"], env={"COLUMNS": "300"}).output
    assert isinstance(run.invoke(app, ["upstreams", "test"]).exception, Unavailable)
    monkeypatch.setenv("FAR_KEY", "secret")
    assert "far: answers in" in run.invoke(app, ["upstreams", "test", "far"]).output
