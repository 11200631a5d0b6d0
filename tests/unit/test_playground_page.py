"""The page of the playground: two sides asked the same, kept over a reload, saved as a prompt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from nicegui import ui
from nicegui.testing import User

from tests.unit import api_server
from tests.unit.api_server import Running
from tests.unit.page_buttons import buttons, field, fill, press, texts
from tests.unit.page_user import user_of
from tuneloop import datasets, filters, prompts
from tuneloop.importers import formats
from tuneloop.testing import Answer
from tuneloop.types import Deployment

SYSTEM = {"role": "system", "content": "You answer for {{company}}."}
USER = {"role": "user", "content": "Q: {{input}}"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with api_server.running(tmp_path) as started:
        yield started


def saved(server: Running, **more: object) -> str:
    body = {"name": "support", "messages": [SYSTEM, USER], "parameters": {"temperature": 0.2, "seed": 7}, **more}
    return prompts.save(server.loop.store, prompts.read(body)).prompt.reference


def log(server: Running, number: int = 0, said: str = "Where is my parcel?") -> str:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{said} {number}"}]
    row = {"id": f"{number}", "model": "fake", "messages": messages, "completion": f"On its way {number}."}
    made = formats.to_log(row, source="import", cost=lambda *_: None)
    server.loop.store.logs.add([made.log])
    return made.log.id


async def kept(server: Running, wanted: str) -> None:
    """Wait until the sheet that was written down says something."""
    for _ in range(150):
        content = server.loop.store.people.sheets.latest(server.loop.store.people.all()[0].id)
        if content is not None and wanted in str(content):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{wanted!r} was not kept")


def said(user: User, role: str, number: int, side: str) -> object:
    return field(user, f"{role} {number} of the {side} side").value


async def test_both_sides_are_asked_and_show_what_it_took(server: Running) -> None:
    server.upstream.enqueue(Answer(text="Tomorrow, I hope."), Answer(text="On Friday."))
    async with user_of(server.loop) as user:
        await user.open(f"/playground?a=fake%2B{saved(server)}&b=fake")
        await user.should_see("The answer appears here.")
        fill(user, "User 1 of the question", "Where is my parcel?")
        press(user, "Ask both")
        await user.should_see("Give a value for {{company}}.", retries=50)
        await user.should_see("Tomorrow, I hope.", retries=50)
        fill(user, "company", "Acme")
        press(user, "Ask the first side again")
        await user.should_see("On Friday.", retries=50)
        await user.should_see("first token", retries=50)
    logs, _ = server.loop.store.logs.page(filters.parse("user = playground"), limit=5)
    assert [one.prompt for one in logs] == ["support@1", None]
    last = server.upstream.requests[-1].json
    assert last["messages"][0]["content"] == "You answer for Acme." and last["temperature"] == 0.2 and last["seed"] == 7
    assert last["messages"][1]["content"] == "Q: Where is my parcel?"


async def test_what_was_written_is_there_after_a_reload(server: Running) -> None:
    async with user_of(server.loop) as user:
        await user.open("/playground?a=fake&b=fake")
        press(user, "Add instructions of the second side")
        fill(user, "Instructions 1 of the second side", "Be {{tone}}.")
        fill(user, "User 1 of the question", "Hello there")
        await user.should_see("tone")
        fill(user, "tone", "kind")
        await kept(server, "kind")
        server.upstream.enqueue(Answer(text="Good day."))
        press(user, "Add user of the question")
        fill(user, "User 2 of the question", "And you?")
        await kept(server, "And you?")
        await user.open("/playground")  # the last sheet comes up by itself
        assert said(user, "Instructions", 1, "second") == "Be {{tone}}."
        assert field(user, "tone").value == "kind"
        assert field(user, "User 2 of the question").value == "And you?"
        press(user, "Remove User 2 of the question")
        await user.should_not_see("And you?")
        press(user, "One side")
        await user.should_see("Two sides", retries=50)
        await user.should_not_see(kind=ui.element, content="Be {{tone}}.")


async def test_an_answer_is_stopped(server: Running) -> None:
    server.upstream.enqueue(Answer(text="word " * 300, pause=0.05))
    async with user_of(server.loop) as user:
        await user.open("/playground?a=fake&one=1")
        fill(user, "User 1 of the question", "Tell me")
        press(user, "Ask")
        await user.should_see("word word", retries=50)
        assert not [one for one in buttons(user) if getattr(one, "text", "") == "Ask"]
        press(user, "Stop the first side")
        for _ in range(200):
            if server.upstream.cancelled:
                break
            await asyncio.sleep(0.02)
        assert server.upstream.cancelled == 1
        await kept(server, "stopped")
        assert [one for one in buttons(user) if getattr(one, "text", "") == "Again"]


async def test_a_call_is_the_question(server: Running) -> None:
    log_id = log(server)
    async with user_of(server.loop) as user:
        await user.open(f"/playground?log={log_id}")
        await user.should_see("From a call in the log")
        assert field(user, "User 1 of the question").value == "Where is my parcel? 0"
        assert said(user, "Instructions", 1, "first") == "Be brief." == said(user, "Instructions", 1, "second")
        await user.should_see("On its way 0.")
        press(user, "Take a question")
        await user.should_see("The latest calls", retries=20)
        assert (await user.http_client.get("/playground?log=nothing")).status_code == 404


async def test_the_rows_of_a_data_set_are_questions(server: Running) -> None:
    for number in range(30):
        log(server, number, f"question number {number * 7919}")
    datasets.create(server.loop.store, "desk", where="")
    rows = list(server.loop.store.datasets.rows(server.loop.store.datasets.named("desk").id, "train"))
    async with user_of(server.loop) as user:
        await user.open("/playground?dataset=desk&split=train")
        await user.should_see(f"desk, train row 1 of {len(rows)}")
        assert field(user, "User 1 of the question").value == rows[0].messages[1]["content"]
        await user.open("/playground?dataset=desk&split=train&row=2")
        assert field(user, "User 1 of the question").value == rows[2].messages[1]["content"]
        await user.should_see("Before")
        assert (await user.http_client.get("/playground?dataset=desk&split=train&row=999")).status_code == 404
        assert (await user.http_client.get("/playground?dataset=none")).status_code == 404


async def test_a_side_is_saved_as_a_version(server: Running) -> None:
    async with user_of(server.loop) as user:
        await user.open(f"/playground?a=fake%2B{saved(server)}&b=fake")
        assert field(user, "Prompt").value in ("support@1", "")
        await user.should_see("temperature 0.2, seed 7")
        fill(user, "Instructions 1 of the first side", "You answer for {{company}}, briefly.")
        press(user, "Save the first side as a prompt")
        await user.should_see("This will be support@2. What changes since support@1:", retries=20)
        assert any("<ins>+You answer for {{company}}, briefly.</ins>" in text for text in texts(user))
        fill(user, "Note", "shorter")
        press(user, "Save")
        await user.should_see("Saved as support@2", retries=20)
        newest = prompts.find(server.loop.store, "support")
        assert (newest.version, newest.note, newest.model) == (2, "shorter", None)
        press(user, "Save the first side as a prompt")
        await user.should_see("support@2 says the same already.", retries=20)
        press(user, "Save")
        await user.should_see("That is support@2 already", retries=20)
        fill(user, "Name", "not a name!")
        press(user, "Save")
        await user.should_see("A prompt's name is 1 to 64", retries=20)


async def test_a_prompt_and_a_starter_are_laid_out(server: Running) -> None:
    saved(server)
    async with user_of(server.loop) as user:
        await user.open("/playground?a=support&b=starter:guard:short")
        assert said(user, "Instructions", 1, "first") == SYSTEM["content"]
        assert said(user, "Instructions", 1, "second") != SYSTEM["content"]
        fill(user, "Prompt", "support@1")  # the newest of the two: the second side's
        for _ in range(100):
            if said(user, "Instructions", 1, "second") == SYSTEM["content"]:
                break
            await asyncio.sleep(0.02)
        assert said(user, "Instructions", 1, "second") == SYSTEM["content"]
        fill(user, "Temperature", 1)
        fill(user, "More, as JSON", '{"seed": 1}')
        await user.should_see("temperature 1, seed 1")
        fill(user, "More, as JSON", "{nothing")
        await user.should_see("temperature 1, seed 1")
        for wrong in ("support@99", "fake%2Bsupport@99", "starter:nothing"):
            assert (await user.http_client.get(f"/playground?a={wrong}")).status_code == 404


async def test_a_viewer_asks_nothing(server: Running) -> None:
    server.loop.store.deployments.deploy(Deployment(id="dep_1", alias="desk", model="fake", created_at=1.0))
    async with user_of(server.loop, "viewer") as user:
        await user.open("/playground")
        await user.should_see("Asking takes the role owner")
        names = {str(getattr(one, "text", "")) for one in buttons(user)}
        assert not names & {"Ask both", "Ask", "Again", "Stop", "Save as a prompt"}
        fill(user, "User 1 of the question", "Hello")
        await asyncio.sleep(0.7)
        assert server.loop.store.people.sheets.latest(server.loop.store.people.all()[0].id) is None
