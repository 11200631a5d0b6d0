"""Review, one thing at a time: keys, progress, undo, a reload in the middle; and the questions of graders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui

from tests.unit.page_user import user_of
from tests.unit.pressing import buttons, key, press
from tests.unit.test_log_page import log, said_of
from tuneloop import grading, scores
from tuneloop.grader_types import Review
from tuneloop.graders.human import Question
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store import log_order, log_search
from tuneloop.ui import questions


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield made
    made.store.close()


def fill(loop: Loop, count: int = 4) -> None:
    """log_0 is the newest."""
    for number in range(count):
        system = {"role": "system", "content": "Be kind."}
        row = {"messages": [system, {"role": "user", "content": f"q{number}?"}], "completion": f"answer {number}"}
        log(loop, f"log_{number}", row, created_at=1000.0 - number)


def values(loop: Loop, number: int) -> list[Any]:
    return [score.value for score in said_of(loop, f"log_{number}")]


async def test_nothing_to_review(loop: Loop) -> None:
    log(loop, row={"messages": [{"role": "user", "content": "Hi"}], "completion": "", "status": 500, "error": "broken"})
    async with user_of(loop) as user:
        await user.open("/review")
        await user.should_see("Nothing to review")
        answer = await user.http_client.get("/review?where=nothing+%3D+1")
        assert answer.status_code == 400 and "no field" in answer.text


async def test_one_key_each(loop: Loop) -> None:
    fill(loop)
    async with user_of(loop, "reviewer") as user:
        await user.open("/review")
        await user.should_see("1 of 4")
        await user.should_see("q0?")
        await user.should_see("<summary>Instructions</summary>")
        key(user, "g")
        await user.should_see("2 of 4")
        await user.should_see("1 good")
        key(user, "b")
        await user.should_see("3 of 4")
        key(user, "x")
        await user.should_see("4 of 4")
        await user.should_see("1 skipped")
        key(user, "k")
        await user.should_see("q2?")
        key(user, "j")
        await user.should_see("q3?")
        assert (values(loop, 0), values(loop, 1), values(loop, 2)) == (["good"], ["bad"], [])


async def test_undo_goes_back_step_by_step(loop: Loop) -> None:
    fill(loop, 2)
    async with user_of(loop) as user:
        await user.open("/review")
        for name in "gb":
            key(user, name)
        await user.should_see("That was the last one")
        key(user, "g")  # of nothing
        key(user, "u")
        await user.should_see("q1?")
        await user.should_not_see("1 bad")
        assert (values(loop, 0), values(loop, 1)) == (["good"], [])
        key(user, "u")
        await user.should_see("q0?")
        key(user, "u")
        await user.should_see("There is nothing to undo")
        assert values(loop, 0) == []


async def test_keys_that_are_held_or_pressed_fast(loop: Loop) -> None:
    fill(loop)
    async with user_of(loop) as user:
        await user.open("/review")
        key(user, "g", ctrl=True)
        key(user, "g", action="keyup")
        key(user, "g", repeat=True)
        key(user, "q")
        await user.should_see("1 of 4")
        for name in "gbg":  # each of these is for the one that is shown when its turn comes
            key(user, name)
        await user.should_see("4 of 4")
        assert [values(loop, number) for number in range(4)] == [["good"], ["bad"], ["good"], []]
        key(user, "?")
        await user.should_see("Good: worth learning")


async def test_a_correction_in_review(loop: Loop) -> None:
    fill(loop)
    async with user_of(loop) as user:
        await user.open("/review")
        press(user, "Correct")
        await user.should_see("The better answer")
        (area,) = user.find(kind=ui.textarea).elements
        key(user, "g")
        await user.should_see("Save or cancel what you are writing first")
        user.find(kind=ui.textarea).trigger("keydown.escape")
        await user.should_not_see("The better answer")
        key(user, "c")
        await user.should_see("The better answer")
        (area,) = user.find(kind=ui.textarea).elements
        area.set_value("answer zero")
        user.find(kind=ui.textarea).trigger("keydown.ctrl.enter.prevent")
        await user.should_see("2 of 4")
        await user.should_see("1 corrected")
        (score,) = said_of(loop, "log_0")
        assert score.correction == {"role": "assistant", "content": "answer zero"}
        key(user, "k")
        await user.should_see("answer <del>0</del><ins>zero</ins>")
        key(user, "u")
        await user.should_not_see("1 corrected")
        assert said_of(loop, "log_0") == []


async def test_a_reload_goes_on_with_the_same_sitting(loop: Loop) -> None:
    fill(loop)
    scores.give(loop.store, {"log_id": "log_3", "value": "good"})
    async with user_of(loop) as user:
        await user.open("/review?since=2000")
        await user.should_see("1 of 4")  # nobody had rated any of them by then
        key(user, "b")
        await user.should_see("2 of 4")
        await user.open("/review?since=2000&at=log_2")
        await user.should_see("3 of 4")
        await user.should_see("1 bad")
        key(user, "u")
        await user.should_see("1 of 4")
        assert values(loop, 0) == []
        for since in ("nan", "inf", "soon"):
            await user.open(f"/review?since={since}")
            await user.should_see("1 of 3")
        await user.open("/review?at=log_3")  # rated already, but asked for
        await user.should_see("1 of 4")
        await user.should_see("q3?")


async def test_when_all_are_rated_one_may_look_again(loop: Loop) -> None:
    fill(loop, 2)
    for number in range(2):
        scores.give(loop.store, {"log_id": f"log_{number}", "value": "good"})
    async with user_of(loop) as user:
        await user.open("/review?where=model+%3D+gpt-4o")
        await user.should_see("Everything here is rated")
        again = next(iter(user.find(kind=ui.link, content="Look through all").elements)).props["href"]
        await user.open(again)
        await user.should_see("1 of 2")
        await user.should_see("rated good")


async def test_a_long_look_among_rated_calls_ends(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(loop, 6)
    for number in range(6):
        scores.give(loop.store, {"log_id": f"log_{number}", "value": "good"})
    monkeypatch.setattr(log_order, "_LOOKS", 0.0)
    monkeypatch.setattr(log_search, "_WINDOW", 1)
    monkeypatch.setattr(log_search, "FEW", 1)
    async with user_of(loop) as user:
        await user.open("/review")
        await user.should_see("None found yet")


async def test_a_call_that_is_deleted_meanwhile_is_passed_over(loop: Loop) -> None:
    fill(loop, 8)
    async with user_of(loop) as user:
        await user.open("/review")
        await user.should_see("1 of 8")
        with loop.store.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM logs WHERE id IN ('log_6', 'log_7')")
        for number in range(6):
            key(user, "j")
            await user.should_see(f"q{number + 1}?" if number < 5 else "That was the last one")
        await user.should_see("6 of 6")


async def test_a_viewer_looks_and_says_nothing(loop: Loop) -> None:
    fill(loop)
    async with user_of(loop, "viewer") as user:
        await user.open("/review")
        await user.should_see("1 of 4")
        assert buttons(user, "Next") and not any(buttons(user, said) for said in ("Good", "Bad", "Correct", "Undo"))
        for name in "gbcux":
            key(user, name)
        key(user, "j")
        await user.should_see("2 of 4")
        assert [values(loop, number) for number in range(4)] == [[], [], [], []]


def asks(loop: Loop, name: str, *texts: str, labels: tuple[str, ...] = (), high: float = 1.0) -> None:
    definition = {"labels": list(labels), "passing_labels": [labels[0]]} if labels else {"range": [0, high]}
    grading.add(loop.store, name, {"type": "human", "question": "Nice?", **definition})
    for text in texts:
        question = Question(name, "Nice?", ["before", text], labels, labels[:1], 0.0, high, "log_0")
        assert grading.people(loop.store)(question) is None


async def test_questions_of_a_grader_with_labels(loop: Loop) -> None:
    fill(loop, 1)
    asks(loop, "tone", "**one**", "two", "three", labels=("yes", "no"))
    async with user_of(loop, "reviewer") as user:
        await user.open("/review")
        await user.should_see("tone (3)")
        await user.open("/review?grader=tone")
        await user.should_see("1 of 3")
        await user.should_see("<strong>one</strong>")
        key(user, "1")
        await user.should_see("1 yes")
        press(user, "no")
        await user.should_see("3 of 3")
        assert values(loop, 0) == [1.0, 0.0]
        key(user, "u")
        await user.should_see("2 of 3")
        assert values(loop, 0) == [1.0] and loop.store.reviews.waiting() == {"tone": 2}
        key(user, "2")
        key(user, "2")
        await user.should_see("That was the last one")
        await user.open("/review?grader=tone")
        await user.should_see("No question waits")
        answer = await user.http_client.get("/review?grader=nothing")
        assert answer.status_code == 404


async def test_questions_of_a_grader_with_a_range(loop: Loop) -> None:
    asks(loop, "share", "one", "two", "three")
    async with user_of(loop) as user:
        await user.open("/review?grader=share")
        await user.should_see("1 of 3")
        key(user, "4")
        await user.should_see("1 0.75")
        (field,) = user.find(kind=ui.number).elements
        press(user, "Say it")
        await user.should_see("Give a number from 0 to 1")
        field.set_value(0.31)
        press(user, "Say it")
        await user.should_see("1 0.31")
        assert sorted(one.reward or 0 for one in loop.store.reviews.all()) == [0.0, 0.31, 0.75]


async def test_a_viewer_does_not_answer_for_a_grader(loop: Loop) -> None:
    asks(loop, "tone", "one", labels=("yes", "no"))
    async with user_of(loop, "viewer") as user:
        await user.open("/review?grader=tone")
        await user.should_see("1 of 1")
        key(user, "1")
        assert not buttons(user, "yes") and loop.store.reviews.waiting() == {"tone": 1}


@pytest.mark.parametrize(
    ("low", "high", "keys"),
    [
        (1, 5, {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5}),
        (0, 2, {"0": 0, "1": 1, "2": 2}),
        (0, 1, {"1": 0, "2": 0.25, "3": 0.5, "4": 0.75, "5": 1}),
        (-1, 1, {"1": -1, "2": -0.5, "3": 0, "4": 0.5, "5": 1}),
        (0, 100, {"1": 0, "2": 25, "3": 50, "4": 75, "5": 100}),
    ],
)
def test_numbers_have_keys(low: float, high: float, keys: dict[str, float]) -> None:
    asked = Review(id="r", created_at=0, grader="g", question="?", shown=["x"], low=float(low), high=float(high))
    assert questions.choices(asked) == keys
