"""The page of settings, part by part."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nicegui.testing import User

from tests.unit.page_buttons import buttons, fill, press, texts
from tests.unit.page_user import user_of
from tuneloop import filters, keys
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings, Upstream, Webhook
from tuneloop.testing import Answer, UpstreamFake
from tuneloop.types import Price

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
PRESET = "tl-preset-0123456789-abcdef"


def made(home: Path, **settings: Any) -> Loop:
    return Loop(settings=Settings(home=home, database_url=f"sqlite:///{home / 'tuneloop.db'}", **settings))


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    found = made(tmp_path)
    yield found
    found.store.close()


def log(loop: Loop, number: int, days: float = 0.0, rating: str | None = None) -> None:
    row: dict[str, Any] = {
        "id": f"call {number}",
        "messages": [{"role": "user", "content": f"q{number}"}],
        "completion": "a",
    }
    row |= {"created_at": time.time() - days * 86_400} | ({"feedback": {"rating": rating}} if rating else {})
    one = formats.to_log(row, source="import", cost=lambda *_: 0.0)
    loop.store.logs.add([one.log])
    loop.store.scores.add(one.scores)


async def test_a_key_is_made_shown_once_and_taken_back(loop: Loop) -> None:
    def secrets(user: User) -> list[str]:
        return [found for text in texts(user) for found in re.findall(r"tl-[\w-]{20,}", text)]

    async with user_of(loop) as user:
        await user.open("/settings")
        await user.should_see("There is no key")
        press(user, "Make a key")
        fill(user, "Name", "shop")
        press(user, "Make it")
        await user.should_see("it is not shown again")
        (key,) = loop.store.keys.all()
        assert [loop.allows(one) for one in secrets(user)] == [True]
        await user.open("/settings")
        await user.should_see(key.hint)
        assert secrets(user) == []
        press(user, "Take back the key shop")
        await user.should_see("refused at once")
        press(user, "Not now")
        await user.should_not_see("refused at once")
        assert loop.store.keys.all()
        press(user, "Take back the key shop")
        await user.should_see("refused at once")
        press(user, "Take back")
        await user.should_see("There is no key")
        assert not loop.store.keys.all()


async def test_the_preset_key_is_no_secret_of_the_page(tmp_path: Path) -> None:
    found = made(tmp_path, api_key=PRESET)
    async with user_of(found) as user:
        await user.open("/settings?part=keys")
        await user.should_see("set by the environment")
        await user.should_not_see("Take back")
        assert PRESET not in (await user.http_client.get("/settings")).text
    found.store.close()


async def test_people_are_invited_and_removed(loop: Loop) -> None:
    keys.create(loop.store, "shop")
    async with user_of(loop) as user:
        await user.open("/settings?part=people")
        await user.should_see("Ann (you)")
        await user.should_see("signed in, last just now")
        press(user, "Invite somebody")
        fill(user, "Name", "")
        press(user, "Make a link")
        await user.should_see("a name is 1 to 80")
        fill(user, "Name", "Bob")
        press(user, "Make a link")
        await user.should_see("The link for Bob")
        bob = next(person for person in loop.store.people.all() if person.name == "Bob")
        assert bob.role == "viewer"
        await user.open("/settings?part=people")
        await user.should_see("not signed in")
        fill(user, "Role of Bob", "reviewer")
        await user.should_see("Bob is reviewer now")
        assert loop.store.people.get(bob.id).role == "reviewer"
        press(user, "Remove Bob")
        await user.should_see("their link is good no longer")
        press(user, "Remove")
        for _ in range(100):
            if not [one for one in buttons(user) if one.props.get("aria-label") == "Remove Bob"]:
                break
            await asyncio.sleep(0.02)
    assert [person.name for person in loop.store.people.all()] == ["Ann"]


async def test_a_viewer_sees_and_changes_nothing(loop: Loop) -> None:
    keys.create(loop.store, "shop")
    log(loop, 1)
    async with user_of(loop, "viewer") as user:
        for part, seen in (
            ("keys", "shop"),
            ("people", "viewer"),
            ("upstreams", "none yet"),
            ("retention", "for ever"),
        ):
            await user.open(f"/settings?part={part}")
            await user.should_see(seen)
            assert [getattr(one, "text", "") for one in buttons(user)] in (
                [""],
                ["", "Copy"],
            )  # the first one signs out


async def test_upstreams_and_webhooks_are_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", "secret-of-far")
    with UpstreamFake(Answer(raw=b'{"data": [{"id": "gpt-4o"}]}')) as fake:
        known = (
            Upstream(name="far", base_url=fake.base_url, api_key_env="FAR_KEY", models=("gpt-*",)),
            Upstream(name="unset", base_url=fake.base_url, api_key_env="OTHER_KEY", models=("x",)),
        )
        found = made(tmp_path, upstreams=known, webhooks=(Webhook(url=f"{fake.base_url}/hook", secret=SECRET),))
        async with user_of(found) as user:
            await user.open("/settings?part=upstreams")
            await user.should_see("FAR_KEY is set")
            await user.should_see("OTHER_KEY is not set")
            press(user, "Test far")
            await user.should_see("lists 1 models", retries=20)
            press(user, "Test unset")
            await user.should_see("The variable OTHER_KEY is not set")
            assert "secret-of-far" not in (await user.http_client.get("/settings?part=upstreams")).text
            await user.open("/settings?part=webhooks")
            press(user, f"Test {fake.base_url}/hook")
            await user.should_see("It arrived: 200.", retries=20)
            fake.enqueue(Answer(status=500, text="no"))
            press(user, f"Test {fake.base_url}/hook")
            await user.should_see("it answered 500", retries=20)
            assert SECRET not in (await user.http_client.get("/settings?part=webhooks")).text
        found.store.close()


async def test_settings_that_changed_since_the_start_are_told(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_HOME", str(loop.settings.home))
    async with user_of(loop) as user:
        await user.open("/settings?part=prices")
        await user.should_not_see("has changed since the start")
        loop.settings.settings_file.write_text("[machine]\ndollars_per_hour = 1.5\n")
        await user.open("/settings?part=prices")
        await user.should_see("has changed since the start")
        loop.settings.settings_file.write_text("[machine\n")
        await user.open("/settings?part=upstreams")
        await user.should_see("The next start will fail")


async def test_prices_say_where_they_come_from(tmp_path: Path) -> None:
    found = made(tmp_path, prices={"mine": Price(input=2.5, output=10.0)}, dollars_per_hour=0.05)
    async with user_of(found) as user:
        await user.open("/settings?part=prices")
        await user.should_see("your price table")
        await user.should_see("$10.00")
        await user.open("/settings?part=machine")
        await user.should_see("$0.05")
        await user.should_see("tuneloop.db")
        await user.should_see("calls and scores", retries=30)
    found.store.close()


async def test_old_calls_are_counted_and_deleted(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/settings?part=retention")
        await user.should_not_see("Delete by hand")
        log(loop, 1, 100)
        log(loop, 2, 100, "good")
        log(loop, 3)
        await user.open("/settings?part=retention")
        press(user, "Count")
        await user.should_see("1 of 2 calls that match would go; 1 stay.", retries=20)
        press(user, "Delete old calls")
        await user.should_see("deleted for good", retries=20)
        press(user, "Delete")
        await user.should_see("1 calls are deleted.", retries=20)
        fill(user, "Also scored ones, and those in data sets", True)
        fill(user, "Only those that match", "nonsense ~")
        press(user, "Count")
        await user.should_see("no field 'nonsense'", retries=20)
        fill(user, "Only those that match", "scored")
        press(user, "Count")
        await user.should_see("1 of 1 calls that match would go; 0 stay.", retries=20)
    assert loop.store.logs.count(filters.All(())) == 2
