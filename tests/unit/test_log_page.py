"""The page of one log: read, scored, corrected, followed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from nicegui import ui
from nicegui.testing.user_interaction import UserInteraction

from tests.unit.page_user import user_of
from tests.unit.pressing import buttons, press
from tuneloop import datasets, scores
from tuneloop.importers import formats
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store.ids import new_id
from tuneloop.types import FineTuningJob, Log, Score


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield made
    made.store.close()


def log(loop: Loop, log_id: str = "log_1", row: dict[str, Any] | None = None, **more: Any) -> Log:
    given = row or {"messages": [{"role": "user", "content": "When do you open?"}], "completion": "At ten."}
    given = {"model": "gpt-4o", "created_at": 1000.0, **given}
    made = replace(formats.to_log(given, source="api", cost=lambda *_: 0.002, log_id=log_id).log, **more)
    loop.store.logs.add([made])
    return made


def said_of(loop: Loop, log_id: str = "log_1") -> list[Score]:
    return list(loop.store.scores.of([log_id])[log_id])


async def test_a_log_that_is_not_there_says_so(loop: Loop) -> None:
    async with user_of(loop) as user:
        answer = await user.http_client.get("/logs/nothing")
        assert answer.status_code == 404 and "There is no such thing" in answer.text


async def test_a_log_is_read_whatever_its_id(loop: Loop) -> None:
    usage = {"prompt_tokens": 1200, "completion_tokens": 7}
    row = {"messages": [{"role": "user", "content": "Hi"}], "completion": "**Hello**", "usage": usage, "user": "ann"}
    log(
        loop, "a/b ?#%1", {**row, "metadata": {"team": "it's"}}, latency_ms=1234.0, first_token_ms=56.0, prompt="desk@2"
    )
    async with user_of(loop) as user:
        await user.open(f"/logs/{quote('a/b ?#%1', safe='')}")
        for shown in (
            "gpt-4o",
            "<strong>Hello</strong>",
            "1,200 read, 7 written",
            "1,234 ms",
            "56 ms",
            "$0.002",
            "stop",
        ):
            await user.should_see(shown)
        await user.should_see("/logs?where=prompt+%3D+%27desk%402%27")
        await user.should_see("metadata.team+%3D+%27it%5C%27s%27")
        await user.should_see("Into no data set yet")
        await user.should_see("Nobody has scored this call yet")


async def test_a_failed_call_says_why(loop: Loop) -> None:
    log(
        loop,
        row={"messages": [{"role": "user", "content": "Hi"}], "completion": "", "status": 429, "error": "too many"},
    )
    async with user_of(loop) as user:
        await user.open("/logs/log_1")
        await user.should_see("429")
        await user.should_see("too many")


async def test_raw_bodies_are_fetched_when_they_are_looked_at(loop: Loop) -> None:
    log(loop, attributes={"depth": {"is": 3}}, response=b"data: no JSON\n")
    async with user_of(loop) as user:
        await user.open("/logs/log_1")
        await user.should_not_see("no JSON")
        with user as client:
            folds = {one for one in client.elements.values() if one.tag == "details"}
        UserInteraction(user, folds, "details").trigger("toggle")
        await user.should_see("data: no JSON")
        await user.should_see("&quot;depth&quot;")
        await user.should_see("When do you open?")


async def test_thumbs_are_given_and_taken_back(loop: Loop) -> None:
    log(loop)
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs/log_1")
        press(user, "Good")
        await user.should_see("Ann (annotator)")
        (good,) = said_of(loop)
        assert (good.name, good.value, good.user, good.source) == ("rating", "good", "Ann", "annotator")
        assert buttons(user, "Good")[0].props["aria-pressed"] == "true"
        press(user, "Bad")
        await user.should_see("bad")
        assert [score.value for score in said_of(loop)] == ["good", "bad"]
        press(user, "Bad")  # the same again takes it back
        await user.should_not_see("bad")
        assert said_of(loop) == [good] and buttons(user, "Good")[0].props["aria-pressed"] == "true"


async def test_any_score_and_a_comment(loop: Loop) -> None:
    log(loop)
    async with user_of(loop) as user:
        await user.open("/logs/log_1")
        user.find(kind=ui.input, content="Name").clear().type("tone")
        user.find(kind=ui.input, content="Value").type("0.5")
        for area in user.find(kind=ui.textarea, content="Comment").elements:
            area.set_value("rather dry")
        press(user, "Save score")
        await user.should_see("Ann (annotator)")
        await user.should_see("rather dry")
        (score,) = said_of(loop)
        assert (score.name, score.value, score.comment) == ("tone", 0.5, "rather dry")
        press(user, "Save score")  # with neither value nor comment
        await user.should_see("give a value, a comment or a correction")
        press(user, "Take back")
        await user.should_see("Nobody has scored this call yet")
        assert said_of(loop) == []


async def test_a_correction_marks_what_it_changes(loop: Loop) -> None:
    log(loop)
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs/log_1")
        press(user, "Correct")
        (area,) = user.find(kind=ui.textarea, content="The better answer").elements
        assert area.value == "At ten."
        press(user, "Save correction")
        await user.should_see("That is what was said already")
        area.set_value("At nine.")
        await user.should_see("At <del>ten</del><ins>nine</ins>.")
        press(user, "Save correction")
        await user.should_see("The correction is kept")
        (score,) = said_of(loop)
        assert score.correction == {"role": "assistant", "content": "At nine."} and score.value == "bad"
        await user.should_see("Corrected")
        press(user, "Correct")
        (area,) = user.find(kind=ui.textarea, content="The better answer").elements
        assert area.value == "At nine."  # one goes on from there
        press(user, "Cancel")
        await user.should_not_see("The better answer")


async def test_calls_of_tools_are_corrected_as_json(loop: Loop) -> None:
    function = {"name": "look", "arguments": '{"city": "Rome"}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c7", "type": "function", "function": function}],
    }
    log(loop, row={"messages": [{"role": "user", "content": "Rome?"}], "completion": message})
    async with user_of(loop) as user:
        await user.open("/logs/log_1")
        await user.should_see("Calls <code>look</code>")
        press(user, "Correct")
        (area,) = user.find(kind=ui.textarea, content="The tools it calls").elements
        for wrong, why in (("[", "are no JSON"), ("[1]", "Write the calls as")):
            area.set_value(wrong)
            await user.should_see(why)
        area.set_value(json.dumps([{"name": "look", "arguments": {"city": "Paris"}}, {"name": "wait"}]))
        press(user, "Save correction")
        await user.should_see("The correction is kept")
        better = said_of(loop)[0].correction
        assert better is not None
        first, second = better["tool_calls"]
        assert first["id"] == "c7" and json.loads(first["function"]["arguments"]) == {"city": "Paris"}
        assert second == {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": "{}"}}


async def test_a_viewer_looks_and_changes_nothing(loop: Loop) -> None:
    log(loop)
    scores.give(loop.store, {"log_id": "log_1", "value": "good", "comment": "fine"})
    async with user_of(loop, "viewer") as user:
        await user.open("/logs/log_1")
        await user.should_see("fine")
        for said in ("Good", "Bad", "Correct", "Save score", "Take back"):
            assert not buttons(user, said)
        await user.should_not_see("Add a score")
        await user.should_not_see("Review")


async def test_somebody_elses_score_is_taken_back_by_an_owner_only(loop: Loop) -> None:
    log(loop)
    scores.give(loop.store, {"log_id": "log_1", "value": "good", "user": "Bob", "source": "annotator"})
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs/log_1")
        await user.should_see("Bob (annotator)")
        assert not buttons(user, "Take back")
    async with user_of(loop, "owner") as user:
        await user.open("/logs/log_1")
        press(user, "Take back")
        await user.should_see("Nobody has scored this call yet")


async def test_who_has_been_signed_out_scores_no_more(loop: Loop) -> None:
    log(loop)
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs/log_1")
        for session in loop.store.people.sessions.all():
            loop.store.people.sessions.remove(session.id)
        press(user, "Good")
        await user.should_see("That takes the role reviewer")
        assert said_of(loop) == []


async def test_what_others_say_is_seen_without_a_reload(loop: Loop) -> None:
    log(loop)
    async with user_of(loop) as user:
        await user.open("/logs/log_1")
        scores.give(loop.store, {"log_id": "log_1", "name": "tone", "value": "warm"})
        await user.should_see("warm", retries=80)


async def test_the_way_through_the_list_one_came_from(loop: Loop) -> None:
    for number, model in enumerate(("a", "b", "a", "a")):
        log(loop, f"log_{number}", created_at=float(number), model=model, latency_ms=float(number))
    async with user_of(loop) as user:
        await user.open("/logs/log_2?where=model+%3D+a")
        hrefs = [link.props["href"] for link in user.find(kind=ui.link).elements]
        for to in ("/logs?where=model+%3D+a", "/logs/log_0?where=model+%3D+a", "/logs/log_3?where=model+%3D+a"):
            assert to in hrefs
        assert "/review?where=model+%3D+a&at=log_2" in hrefs
        await user.open("/logs/log_2?order=latency_ms&where=nonsense%20%3D%20")
        await user.should_see("Lower")


async def test_a_trace_is_a_tree(loop: Loop) -> None:
    spans = {"a": None, "b": "a", "c": "b", "d": "gone", "x": "y", "y": "x"}
    for place, (span, parent) in enumerate(spans.items()):
        more: dict[str, Any] = {"span_name": f"span {span}", "span_kind": "tool", "latency_ms": 10.0}
        more["trace_id"] = "f" * 32
        log(loop, f"log_{span}", created_at=1000.0 + place, span_id=span, parent_id=parent, **more)
    async with user_of(loop) as user:
        await user.open("/logs/log_b")
        (tree,) = user.find(kind=ui.html, content="log-trace").elements
        depths = [line.split("rem")[0] for line in tree.content.split("padding-left:")[1:]]
        names = [name.split("<")[0] for name in tree.content.split('">span ')[1:]]
        assert dict(zip(names, depths, strict=True)) == {"a": "0", "b": "1", "c": "2", "d": "0", "x": "0", "y": "1"}
        assert tree.content.count('aria-current="true"') == 1


async def test_where_a_call_went_is_linked(loop: Loop) -> None:
    for number in range(12):
        row = {"messages": [{"role": "user", "content": f"q{number}"}], "completion": f"a{number}"}
        log(loop, f"log_{number}", row)
    desk = datasets.create(loop.store, "desk", where="")
    job = FineTuningJob(id=new_id("ftjob-"), created_at=1.0, model="m", base="m", training_file="f", dataset_id=desk.id)
    loop.store.jobs.add(job)
    loop.store.jobs.change(job.id, fine_tuned_model="ft:small:desk")
    async with user_of(loop) as user:
        await user.open("/logs/log_3")
        await user.should_see(f"/datasets/{desk.id}")
        await user.should_see("/models/ft%3Asmall%3Adesk")
