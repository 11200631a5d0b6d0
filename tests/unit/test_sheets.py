"""What is laid out in the playground: sheets, the requests they make, answers as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit import api_server
from tests.unit.api_server import Running
from tuneloop import prompts
from tuneloop.errors import InvalidInput, NotFound, Unavailable
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.playground import sheets, streams
from tuneloop.playground.sheets import Setup, Sheet
from tuneloop.prompt_types import Draft
from tuneloop.settings import Settings
from tuneloop.store import Store
from tuneloop.testing import Answer
from tuneloop.types import Example, Json

SYSTEM = {"role": "system", "content": "You answer for {{company}}."}
USER = {"role": "user", "content": "Q: {{input}}"}
HELLO = {"role": "user", "content": "hello"}


def saved(store: Store, **more: Any) -> str:
    body = {"name": "support", "messages": [SYSTEM, USER], "parameters": {"temperature": 0.2}, **more}
    return prompts.save(store, prompts.read(body)).prompt.reference


def sheet(store: Store, named: str, **more: Any) -> Sheet:
    side = Setup(model="m", loaded=named, draft=sheets.load(store, named))
    return Sheet(**{"sides": (side, side), "messages": [HELLO], "values": {"company": "Acme"}, **more})


def call(**request: Any) -> formats.Imported:
    body = {"model": "gpt-4o", **request}
    row = {"request": body, "response": {"choices": [{"message": {"role": "assistant", "content": "Hi!"}}]}}
    return formats.to_log(row, source="import", cost=lambda *_: None)


def test_a_sheet_is_read_as_it_was_written(sqlite_store: Store) -> None:
    one = sheet(sqlite_store, saved(sqlite_store), reference="x", both=False)
    kept: Any = orjson.loads(orjson.dumps(sheets.write(one)))
    assert orjson.loads(orjson.dumps(sheets.write(sheets.read(kept)))) == kept
    with pytest.raises(InvalidInput, match="another version"):
        sheets.read({"sides": []})


def test_sheets_are_kept_for_each_of_us(store: Store) -> None:
    table = store.people.sheets
    table.keep("sheet_1", "ann", {"n": 1})
    table.keep("sheet_2", "bob", {"n": 2})
    table.keep("sheet_3", "ann", {"n": 3})
    table.keep("sheet_1", "ann", {"n": 4})
    assert table.find("sheet_1") == {"n": 4} == table.latest("ann")
    assert table.latest("bob") == {"n": 2} and table.latest("eve") is None and table.find("no") is None
    assert table.sweep(0.0) == 0 and table.sweep(9e9) == 3


def test_a_version_as_it_was_saved_is_named(sqlite_store: Store) -> None:
    one = sheet(sqlite_store, saved(sqlite_store))
    asked = sheets.request(sqlite_store, one, 0)
    assert asked == {
        "model": "m",
        "prompt": {"name": "support", "version": "1", "variables": {"company": "Acme"}},
        "messages": [HELLO],
        "user": "playground",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_what_was_changed_goes_as_it_stands(sqlite_store: Store) -> None:
    one = sheet(sqlite_store, saved(sqlite_store), tools=[{"type": "function", "function": {"name": "f"}}])
    draft = replace(
        one.sides[1].draft, messages=[{**SYSTEM, "content": "Be {{company}}."}, USER], parameters={"seed": 1}
    )
    one = sheets.with_side(one, 1, draft=draft)
    asked = sheets.request(sqlite_store, one, 1)
    assert "prompt" not in asked and asked["seed"] == 1 and "temperature" not in asked and len(asked["tools"]) == 1
    assert asked["messages"] == [{"role": "system", "content": "Be Acme."}, {"role": "user", "content": "Q: hello"}]
    assert "prompt" in sheets.request(sqlite_store, one, 0)


def test_what_is_missing_is_said(sqlite_store: Store) -> None:
    one = sheet(sqlite_store, saved(sqlite_store))
    empty = [{"role": "user", "content": " "}]
    for wrong, said in (
        (replace(one, values={}), "{{company}}"),
        (replace(one, messages=empty), "what the user says"),
        (sheets.with_side(one, 0, model=""), "Choose a model"),
        (
            replace(sheets.with_side(one, 0, draft=Draft(name="", messages=[]), loaded=""), messages=empty),
            "nothing to ask",
        ),
    ):
        with pytest.raises(InvalidInput, match=said.replace("{", r"\{")):
            sheets.request(sqlite_store, wrong, 0)


def test_variables_of_both_sides_are_asked_for_once(sqlite_store: Store) -> None:
    one = sheet(sqlite_store, saved(sqlite_store))
    other = Draft(name="", messages=[{"role": "system", "content": "{{company}} {{tone}}"}])
    one = sheets.with_side(one, 1, draft=other)
    assert sheets.names(one) == ["company", "tone"]
    assert sheets.names(replace(one, both=False)) == ["company"]
    assert sheets.names(replace(one, messages=[])) == ["company", "input", "tone"]
    broken = sheets.with_side(one, 1, draft=Draft(name="", messages=[{"role": "system", "content": "{{com"}]))
    assert sheets.names(broken) == ["company"]


def test_starters_and_versions_are_laid_out(sqlite_store: Store) -> None:
    assert sheets.load(sqlite_store, "") == Draft(name="", messages=[])
    assert sheets.load(sqlite_store, saved(sqlite_store)).parameters == {"temperature": 0.2}
    long, short = (sheets.load(sqlite_store, f"starter:guard{more}") for more in ("", ":short"))
    assert len(str(short.messages)) < len(str(long.messages)) and long.name == "guard"
    for named in ("starter:none", "none@3"):
        with pytest.raises(NotFound):
            sheets.load(sqlite_store, named)


def test_a_call_and_a_row_become_the_question(sqlite_store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    told = {"role": "system", "content": "Be brief."}
    one = sheets.with_log(Sheet(), call(messages=[told, HELLO], tools=tools).log)
    assert [list(side.draft.messages) for side in one.sides] == [[told], [told]]
    assert (one.sides[0].model, list(one.messages), one.reference, list(one.tools)) == ("gpt-4o", [HELLO], "Hi!", tools)
    assert one.source.startswith("log:log_")
    kept = sheets.with_log(sheet(sqlite_store, saved(sqlite_store)), call(messages=[told, HELLO]).log)
    assert kept.sides[0].model == "m" and list(kept.sides[0].draft.messages) == [SYSTEM, USER]
    row = Example(id="x", messages=[told, HELLO, {"role": "assistant", "content": "Hey"}], log_id=None, split="train")
    found = sheets.with_row(Sheet(), "desk", 4, row)
    assert (list(found.messages), found.reference, found.source) == ([HELLO], "Hey", "dataset:desk:4")
    with pytest.raises(InvalidInput, match="no conversation"):
        embedded = replace(call(messages=[HELLO]).log, request=b'{"input": "embed me"}', endpoint="/v1/embeddings")
        sheets.with_log(Sheet(), embedded)


def test_the_difference_to_the_version_before(sqlite_store: Store) -> None:
    draft = sheets.load(sqlite_store, saved(sqlite_store))
    before, changes = sheets.diff(sqlite_store, replace(draft, parameters={"temperature": 1}))
    assert before is not None and before.version == 1
    assert "-temperature: 0.2" in changes and "+temperature: 1" in changes and "support@2" in changes
    assert sheets.diff(sqlite_store, draft)[1] == ""
    assert sheets.diff(sqlite_store, replace(draft, name="new")) == (None, "")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with api_server.running(tmp_path_factory.mktemp("home")) as started:
        yield started


async def heard(server: Running, **more: Json) -> list[streams.Heard]:
    body = {"model": "fake", "messages": [HELLO], "user": "playground", "stream": True}
    return [one async for one in streams.listen(server.loop, body | more)]


async def test_an_answer_comes_piece_by_piece(server: Running) -> None:
    server.upstream.enqueue(Answer(text="one two three four", pause=0.06))
    found = await heard(server)
    last = found[-1]
    assert len(found) > 2 and last.text == "one two three four" and last.done and last.error is None
    assert [one.text for one in found] == sorted((one.text for one in found), key=len) and not found[0].done
    assert last.first_token_ms is not None and last.latency_ms is not None and last.first_token_ms < last.latency_ms
    assert last.log_id is not None
    log = server.loop.store.logs.get(last.log_id)
    assert (log.user, log.output_text) == ("playground", last.text)
    assert streams.read(orjson.loads(orjson.dumps(streams.write(last)))) == last
    assert streams.read(None) is None and streams.read({"no": 1}) is None


async def test_what_goes_wrong_is_the_answer(server: Running) -> None:
    server.upstream.enqueue(Answer(status=500, text="broken"))
    (failed,) = await heard(server)
    assert failed.done and failed.error == "broken"
    server.upstream.enqueue(Answer(text="one two three", drop_after=1))
    dropped = (await heard(server))[-1]
    assert dropped.done and dropped.error
    (missing,) = await heard(server, model="nothing")
    assert "nothing" in str(missing.error)


async def test_leaving_stops_the_model(server: Running) -> None:
    before = server.upstream.cancelled
    server.upstream.enqueue(Answer(text="word " * 200, pause=0.05))
    async for one in streams.listen(server.loop, {"model": "fake", "messages": [HELLO], "stream": True}):
        assert streams.stopped(one).finish_reason == "stopped"
        break
    for _ in range(200):
        if server.upstream.cancelled > before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the upstream goes on")


async def test_a_process_that_is_no_server_says_so(tmp_path: Path) -> None:
    loop = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    with pytest.raises(Unavailable, match="tuneloop serve"):
        _ = [one async for one in streams.listen(loop, {"model": "m"})]
    assert streams.takes_turns(loop, ["smollm2-135m-instruct", "smollm2-135m-instruct"])
    assert not streams.takes_turns(loop, ["smollm2-135m-instruct", "gpt-4o"])
    loop.store.close()
