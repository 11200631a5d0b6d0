"""Webhooks: announced once, delivered signed, tried again, given up; and what settings.toml may say of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from typer.testing import CliRunner

from tests.unit.api_server import running
from tuneloop import settings, webhooks
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput
from tuneloop.executors import deliveries
from tuneloop.loop import Loop
from tuneloop.settings import Webhook
from tuneloop.store import Store
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import WEBHOOK_EVENTS, Announcement, Delivery

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
TAKEN = Answer(raw=b"thanks")


def hook_at(upstream: UpstreamFake, *events: str) -> Webhook:
    return Webhook(url=f"{upstream.base_url}/hook", secret=SECRET, events=events or ("*",))


def only(store: Store) -> Delivery:
    (delivery,) = store.deliveries.all()
    return delivery


async def until(store: Store, hooks: list[Webhook], attempts: int, last: float = 0.0) -> Delivery:
    """Deliver until there have been so many attempts."""
    async with deliveries.delivered(store, hooks):
        for _ in range(500):
            found = store.deliveries.all()
            if found and found[0].attempts >= attempts:
                await asyncio.sleep(last)
                return found[0]
            await asyncio.sleep(0.02)
    raise AssertionError(found)


def test_what_is_announced_twice_is_announced_once(store: Store) -> None:
    for _ in range(2):
        webhooks.announce(store, "batch.completed", "batch_1")
    with pytest.raises(ZeroDivisionError), store.database.write() as connection:
        webhooks.announce(store, "batch.failed", "batch_2", connection)
        raise ZeroDivisionError
    (announced,) = store.announcements.all()
    assert (announced.type, announced.subject) == ("batch.completed", "batch_1")


def test_each_webhook_hears_what_it_wants_once(store: Store) -> None:
    hooks = [
        Webhook(url="https://a.example", secret=SECRET, events=("batch.*",)),
        Webhook(url="https://b.example", secret=SECRET),
    ]
    webhooks.announce(store, "batch.completed", "batch_1")
    webhooks.announce(store, "eval.run.failed", "evalrun_1")
    for _ in range(2):
        webhooks.sort(store, hooks)
    found = {
        (delivery.url, store.announcements.get(delivery.announcement_id).type) for delivery in store.deliveries.all()
    }
    assert len(store.deliveries.all()) == 3
    assert found == {
        ("https://a.example", "batch.completed"),
        ("https://b.example", "batch.completed"),
        ("https://b.example", "eval.run.failed"),
    }
    taken = webhooks.take_due(store)
    assert len(taken) == 3
    assert webhooks.take_due(store) == []


def test_what_is_taken_is_given_to_another_when_its_taker_dies(store: Store) -> None:
    webhooks.announce(store, "batch.completed", "batch_1")
    webhooks.sort(store, [Webhook(url="https://a.example", secret=SECRET)])
    (taken,) = webhooks.take_due(store)
    assert time.time() < (only(store).due_at or 0.0) <= time.time() + webhooks.LEASE_SECONDS
    store.deliveries.change(taken.id, due_at=time.time() - 1)
    assert [delivery.id for delivery in webhooks.take_due(store)] == [taken.id]


def test_what_ended_days_ago_is_not_told(sqlite_store: Store) -> None:
    webhooks.announce(sqlite_store, "batch.completed", "batch_1")
    (announced,) = sqlite_store.announcements.all()
    sqlite_store.announcements.change(announced.id, created_at=time.time() - webhooks.MOST_SECONDS - 1)
    webhooks.sort(sqlite_store, [Webhook(url="https://a.example", secret=SECRET)])
    assert sqlite_store.deliveries.all() == []


def test_tries_are_further_and_further_apart_and_end_after_three_days(sqlite_store: Store) -> None:
    webhooks.announce(sqlite_store, "batch.completed", "batch_1")
    webhooks.sort(sqlite_store, [Webhook(url="https://a.example", secret=SECRET)])
    waits: list[int] = []
    started = only(sqlite_store).created_at
    while (delivery := only(sqlite_store)).due_at is not None:
        late = {"created_at": started - sum(waits)}  # as if the waits had passed
        sqlite_store.deliveries.change(delivery.id, **late)
        now = time.time()
        webhooks.settle(sqlite_store, only(sqlite_store), webhooks.Attempt(500, "it answered 500"))
        if (due := only(sqlite_store).due_at) is not None:
            waits.append(round(due - now))
    assert waits[:6] == [5, 15, 45, 135, 405, 1215]
    assert waits == sorted(waits) and max(waits) == 8 * 3600
    assert 60 * 3600 < sum(waits) <= 72 * 3600
    assert (only(sqlite_store).delivered_at, only(sqlite_store).error) == (None, "it answered 500")


@pytest.mark.parametrize("event", WEBHOOK_EVENTS)
def test_openais_library_takes_every_event(event: str) -> None:
    announced = Announcement(id="evt_1", created_at=1700000000.5, type=event, subject="it_1")
    body, hook = webhooks.body(announced), Webhook(url="https://a.example", secret=SECRET)
    headers = webhooks.headers(hook.key(), "wh_1", body)
    client = OpenAI(api_key="any", webhook_secret=SECRET)
    unwrapped = client.webhooks.unwrap(body, headers)
    assert (
        json.loads(body)
        == unwrapped.to_dict()
        == {
            "id": "evt_1",
            "object": "event",
            "created_at": 1700000000,
            "type": event,
            "data": {"id": "it_1"},
        }
    )
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(body + b" ", headers)
    client.close()


def test_a_secret_that_is_not_base64_is_used_as_openais_library_does() -> None:
    hook = Webhook(url="https://a.example", secret="just words")
    client = OpenAI(api_key="any", webhook_secret="just words")
    client.webhooks.verify_signature(b"{}", webhooks.headers(hook.key(), "wh_1", b"{}"))
    client.close()


async def test_an_event_arrives_signed_and_once(sqlite_store: Store) -> None:
    with UpstreamFake(TAKEN) as upstream:
        webhooks.announce(sqlite_store, "fine_tuning.job.succeeded", "ftjob-1")
        delivered = await until(sqlite_store, [hook_at(upstream)], 1, last=1.2)
        assert await until(sqlite_store, [hook_at(upstream)], 1, last=0.6) == delivered
        (received,) = upstream.requests
    assert (delivered.status, delivered.error, delivered.due_at) == (200, None, None)
    assert delivered.delivered_at is not None
    assert (received.path, received.headers["webhook-id"]) == ("/v1/hook", delivered.id)
    client = OpenAI(api_key="any", webhook_secret=SECRET)
    assert client.webhooks.unwrap(received.body, received.headers).to_dict()["data"] == {"id": "ftjob-1"}
    client.close()


@pytest.mark.parametrize(
    ("answer", "status", "error", "over"),
    [
        (Answer(status=500, text="no"), 500, "it answered 500", False),
        (Answer(status=410, text="gone"), 410, "it answered 410", True),
        (Answer(raw=b"", status=302, headers={"location": "/elsewhere"}), 302, "it answered 302", False),
        (Answer(drop_after=0), 200, None, True),  # what follows the head of an answer does not matter
    ],
)
async def test_what_does_not_arrive(
    sqlite_store: Store, answer: Answer, status: int, error: str | None, over: bool
) -> None:
    with UpstreamFake(answer) as upstream:
        webhooks.announce(sqlite_store, "batch.expired", "batch_1")
        delivery = await until(sqlite_store, [hook_at(upstream)], 1, last=0.6)
        assert len(upstream.requests) == 1
    assert (delivery.status, delivery.error) == (status, error)
    assert (only(sqlite_store).due_at is None) == over


async def test_it_is_tried_again_with_the_same_id(sqlite_store: Store) -> None:
    with UpstreamFake(TAKEN) as upstream:
        upstream.enqueue(Answer(status=503, text="later"))
        webhooks.announce(sqlite_store, "batch.expired", "batch_1")
        failed = await until(sqlite_store, [hook_at(upstream)], 1)
        sqlite_store.deliveries.change(failed.id, due_at=time.time())  # as if the wait had passed
        delivery = await until(sqlite_store, [hook_at(upstream)], 2)
        first, second = upstream.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == delivery.id
    assert (delivery.status, delivery.error, delivery.due_at) == (200, None, None)


async def test_nobody_there_and_too_slow() -> None:
    with UpstreamFake(Answer(raw=b"", delay=5)) as slow, UpstreamFake() as gone:
        nobody = hook_at(gone)
        async with deliveries.session(0.2) as client:
            assert (await deliveries.post(client, hook_at(slow), "wh_1", b"{}")).error == "no answer within 0.2 seconds"
    async with deliveries.session() as client:
        refused = await deliveries.post(client, nobody, "wh_1", b"{}")
        assert refused.status is None and "Connect" in str(refused.error)
        wrong = await deliveries.post(client, Webhook(url="http://[", secret=SECRET), "wh_1", b"{}")
        assert wrong.error is not None


async def test_a_webhook_that_the_settings_no_longer_name(sqlite_store: Store) -> None:
    with UpstreamFake(TAKEN) as upstream:
        webhooks.announce(sqlite_store, "batch.expired", "batch_1")
        webhooks.sort(sqlite_store, [Webhook(url="https://gone.example", secret=SECRET)])
        delivery = await until(sqlite_store, [hook_at(upstream)], 1)
        assert upstream.requests == []
    assert (delivery.due_at, "do not name" in (delivery.error or "")) == (None, True)


async def test_a_slow_webhook_does_not_hold_up_the_end_of_the_server(sqlite_store: Store) -> None:
    with UpstreamFake(Answer(raw=b"", delay=1)) as upstream:
        webhooks.announce(sqlite_store, "batch.expired", "batch_1")
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(deliveries.delivered(sqlite_store, [hook_at(upstream)]))
            while not upstream.requests:
                await asyncio.sleep(0.02)
        assert only(sqlite_store).delivered_at is not None  # the attempt under way was waited for and noted


def test_the_server_tells_that_a_job_was_cancelled(tmp_path: Path) -> None:
    with UpstreamFake(TAKEN) as upstream, running(tmp_path, webhooks=(hook_at(upstream, "fine_tuning.*"),)) as server:
        row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
        file = server.client.post(
            "/v1/files",
            data={"purpose": "fine-tune"},
            files={"file": ("rows.jsonl", "\n".join([json.dumps(row)] * 10).encode())},
        ).json()
        asked = {"model": "smollm2-135m-instruct", "training_file": file["id"]}
        job = server.client.post("/v1/fine_tuning/jobs", json=asked).json()
        assert server.client.post(f"/v1/fine_tuning/jobs/{job['id']}/cancel").status_code == 200
        deadline = time.monotonic() + 10
        while not upstream.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        (received,) = upstream.requests
    assert (received.json["type"], received.json["data"]) == ("fine_tuning.job.cancelled", {"id": job["id"]})


def load(home: Path, text: str, **environ: str) -> settings.Settings:
    (home / "settings.toml").write_text(text)
    return settings.load({"TUNELOOP_HOME": str(home), **environ})


def test_settings(tmp_path: Path) -> None:
    text = f"""
        [[webhooks]]
        url = "https://a.example/hook"
        secret_env = "HOOK_SECRET"
        events = ["fine_tuning.job.*", "batch.completed"]
        [[webhooks]]
        url = "http://127.0.0.1:9000"
        secret = "{SECRET}"
    """
    first, second = load(tmp_path, text).webhooks
    assert [event for event in WEBHOOK_EVENTS if first.wants(event)] == [*WEBHOOK_EVENTS[:3], "batch.completed"]
    assert all(map(second.wants, WEBHOOK_EVENTS))
    assert second.key() == b"0123456789abcdef0123456789abcdef" == first.key({"HOOK_SECRET": SECRET})
    assert SECRET not in repr(second)
    with pytest.raises(InvalidInput, match="HOOK_SECRET, which is not set"):
        first.key({})
    with pytest.raises(InvalidInput, match="no valid base64"):
        first.key({"HOOK_SECRET": "whsec_!"})


HOOK: Mapping[str, str] = {"url": '"https://a.example"', "secret": f'"{SECRET}"'}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": '"a.example"'}, "url must begin with http"),
        ({"url": "1"}, "must be a str"),
        ({"colour": "1"}, "unknown key 'colour'"),
        ({"secret": '""'}, "needs either 'secret_env'"),
        ({"secret_env": '"X"'}, "needs either 'secret_env'"),
        ({"secret": '"whsec_?"'}, "no valid base64"),
        ({"secret": "1"}, "secret must be a str"),
        ({"events": '"batch.failed"'}, "events must be a list"),
        ({"events": '["batch.done"]'}, "no event 'batch.done'; there are fine_tuning.job.succeeded"),
        ({"events": "[1]"}, "events must be a str"),
    ],
)
def test_wrong_settings(tmp_path: Path, change: dict[str, str], message: str) -> None:
    lines = [f"{key} = {value}" for key, value in {**HOOK, **change}.items()]
    with pytest.raises(InvalidInput, match=message):
        load(tmp_path, "\n".join(["[[webhooks]]", *lines]))


def test_a_webhook_named_twice(tmp_path: Path) -> None:
    once = "\n".join(["[[webhooks]]", *(f"{key} = {value}" for key, value in HOOK.items())])
    with pytest.raises(InvalidInput, match="twice"):
        load(tmp_path, f"{once}\n{once}")


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(tmp_path))
    runner = CliRunner()
    assert "No webhooks yet" in runner.invoke(app, ["webhooks", "list"]).output
    with UpstreamFake(TAKEN) as upstream:
        lines = ["[[webhooks]]", f'url = "{upstream.base_url}/hook"', f'secret = "{SECRET}"', 'events = ["batch.*"]']
        (tmp_path / "settings.toml").write_text("\n".join(lines))
        done = runner.invoke(app, ["webhooks", "test"])
        assert (done.exit_code, "arrived (status 200)" in done.output.replace("\n", " ")) == (0, True), done.output
        assert upstream.requests[0].json["type"] == "batch.completed"
        upstream.enqueue(Answer(status=500, text="no"))
        assert runner.invoke(app, ["webhooks", "test", f"{upstream.base_url}/hook"]).exception is not None
    assert isinstance(runner.invoke(app, ["webhooks", "test", "https://other.example"]).exception, InvalidInput)
    loop = Loop(settings=settings.load())
    webhooks.announce(loop.store, "batch.failed", "batch_1")
    webhooks.sort(loop.store, loop.settings.webhooks)
    loop.store.close()
    shown = runner.invoke(app, ["webhooks", "list"], env={"COLUMNS": "300"}).output
    assert all(words in shown for words in ("batch.*", "batch.failed", "batch_1", "on its way"))
