"""The Logs page: found, filtered, paged, scored, made into a data set."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction

from tests.contract.test_store import a_log, a_score
from tests.unit.page_user import user_of
from tests.unit.pressing import press
from tuneloop.loop import Loop
from tuneloop.settings import Settings
from tuneloop.store import log_search
from tuneloop.store.log_search import Place
from tuneloop.types import Log
from tuneloop.ui.logs import asked


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    made = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield made
    made.store.close()


def add(loop: Loop, *numbers: int, **fields: object) -> None:
    """Calls that could be rows of a data set."""
    loop.store.logs.add([call(number, **fields) for number in numbers])


def call(number: int, **fields: object) -> Log:
    body = b'{"messages": [{"role": "user", "content": "question %d"}]}' % number
    answer = b'{"choices": [{"message": {"role": "assistant", "content": "answer %d"}}]}' % number
    return a_log(number, request=body, response=answer, **fields)


def elements(user: User) -> list[ui.element]:
    """Everything on the page."""
    assert user.client is not None
    return list(user.client.elements.values())


def field(user: User, label: str) -> ui.input:
    """The field with this label."""
    with user:
        found = [one for one in elements(user) if isinstance(one, ui.input)]
    return next(one for one in found if one.props.get("label") == label)


def typed(user: User, label: str, text: str) -> None:
    """Type into a field, and press Enter."""
    made = field(user, label)
    with user:
        made.value = text
    UserInteraction(user, {made}, label).trigger("keydown.enter")


def named(user: User, label: str) -> ui.element:
    """The button that is called so."""
    with user:
        return next(one for one in elements(user) if one.props.get("aria-label") == label)


async def test_a_page_without_calls_says_how_to_begin(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/logs")
        await user.should_see("No calls yet")
        await user.should_not_see("Rate good")
        add(loop, 1)
        await user.should_see("question 1", retries=60)  # the page looks again by itself
        await user.should_see("1 call")


async def test_calls_are_shown_with_what_is_known_of_them(loop: Loop) -> None:
    add(loop, 1, cost=0.25, served_by="ft:small")
    add(loop, 2, status=500, error="out of order", latency_ms=None, prompt_tokens=None, completion_tokens=None)
    add(loop, 3, status=499, input_text="", output_text="")
    good = a_score("log_0001", "good", comment="nice", correction={"role": "assistant", "content": "x"})
    loop.store.scores.add([a_score("log_0001", "bad", created_at=1.0), good, a_score("log_0001", 0.5, name="judge")])
    async with user_of(loop, "viewer") as user:
        await user.open("/logs?where=model+%3D+gpt-4o-mini")
        for shown in ("question 1", "answer 1", "101 ms", "$0.25", "ft:small", "good</span>", "judge 0.5", "corrected"):
            await user.should_see(shown)
        for shown in ("comment", "out of order", "the client hung up", "(no text)", "3 calls", "/logs/log_0001?where="):
            await user.should_see(shown)
        await user.should_not_see("bad</span>")
        for button in ("Rate good", "Make a data set of these", "Review these"):
            await user.should_not_see(button)
        await user.should_not_see('type="checkbox"')


async def test_a_filter_that_cannot_be_read_is_said_where_it_stands(loop: Loop) -> None:
    add(loop, 1)
    async with user_of(loop) as user:
        await user.open("/logs?where=" + quote("modle = a"))
        await user.should_see("did you mean 'model'?")
        assert field(user, "Filter").value == "modle = a"
        typed(user, "Filter", "model = nobody")
        await user.should_see("Nothing matches")
        await user.should_not_see("did you mean")
        typed(user, "Filter", "model =")
        await user.should_see("it ends here")
        press(user, "Clear the filter")
        await user.should_see("question 1")
        assert field(user, "Filter").value == ""


async def test_chips_the_search_and_the_expression_are_one_filter(loop: Loop) -> None:
    add(loop, 1, model="a")
    add(loop, 2, model="b")
    async with user_of(loop) as user:
        await user.open("/logs?where=" + quote("model = a and text ~ question"))
        await user.should_see("question 1")
        await user.should_not_see("question 2")
        assert field(user, "Search what was said").value == "question"
        UserInteraction(user, {named(user, "Remove the filter model = a")}, "chip").trigger("click")
        await user.should_see("question 2")
        assert field(user, "Filter").value == "text ~ question"
        with user:
            field(user, "Search what was said").value = "question 1"
        await user.should_not_see("question 2")
        assert field(user, "Filter").value == "text ~ 'question 1'"
        with user:
            field(user, "Search what was said").value = ""
        await user.should_see("question 2")
        assert field(user, "Filter").value == ""


async def test_a_filter_is_put_together_of_what_there_is(loop: Loop) -> None:
    add(loop, 1, metadata={"team": "sales"})
    add(loop, 2)
    async with user_of(loop) as user:
        await user.open("/logs")
        press(user, "Add a filter")
        await user.should_see("Compare")
        await user.should_see('<option value="gpt-4o-mini">')
        with user:
            choices = [one for one in elements(user) if isinstance(one, ui.select)]
            choices[0].value = "metadata.team"
        await user.should_see('<option value="sales">')
        UserInteraction(user, {named(user, "Add this filter")}, "add").trigger("click")
        await user.should_see("a value is missing")
        with user:
            field(user, "Value").value = "sales"
        UserInteraction(user, {named(user, "Add this filter")}, "add").trigger("click")
        await user.should_not_see("question 2")
        assert field(user, "Filter").value == "metadata.team = sales"


async def test_pages_go_back_and_forth_and_new_calls_wait(loop: Loop) -> None:
    add(loop, *range(1, 121))
    async with user_of(loop) as user:
        await user.open("/logs")
        await user.should_see("question 120")
        await user.should_not_see("question 70<")
        UserInteraction(user, user.find("Older →").elements, "older").trigger("click")
        await user.should_see("question 70<")
        await user.should_not_see("question 120")
        UserInteraction(user, user.find("← Newer").elements, "newer").trigger("click")
        await user.should_see("question 120")
        await user.should_not_see("← Newer")
        add(loop, 121, 122)
        await user.should_see("2 new calls", retries=60)
        await user.should_not_see("question 122")
        press(user, "2 new calls")
        await user.should_see("question 122")
        loop.store.scores.add([a_score("log_0122", "fine", name="tone")])
        await user.should_see("tone fine", retries=60)
        press(user, "Slowest")
        await user.should_see("question 122")
        await user.open("/logs?order=cost&at=nonsense")
        await user.should_see("No calls yet")


def test_a_page_in_the_url_is_shown_again(loop: Loop) -> None:
    add(loop, *range(1, 121))
    store = loop.store
    first = asked.look(store, asked.asked({}))
    assert first.newer is None and first.older == Place(1071.0, "log_0071")
    second = asked.look(store, asked.asked({"at": str(asked.written(first.older))}))
    assert [log.id for log in second.logs][:1] == ["log_0070"] and second.newer is not None
    third = asked.look(store, asked.asked({"at": str(asked.written(second.older))}))
    assert len(third.logs) == 20 and third.older is None
    back = asked.look(store, asked.asked({"at": str(asked.written(third.newer)), "to": "newer"}))
    assert [log.id for log in back.logs] == [log.id for log in second.logs] and back.older == second.older
    assert asked.look(store, asked.asked({"at": "1e999,x", "order": "id"})).logs
    assert asked.asked({"at": "x,y", "order": "id"}).order == "created_at"


async def test_many_among_which_few_match_are_looked_through_in_pieces(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FEW", 0), ("_WINDOW", 5), ("_WIDEST", 5)):
        monkeypatch.setattr(log_search, name, value)
    monkeypatch.setattr(asked, "LOOKS", 0.0)
    monkeypatch.setattr(asked, "COUNTS", 0.0)
    add(loop, *range(1, 21))
    async with user_of(loop) as user:
        await user.open("/logs?where=" + quote("latency_ms < 106 and status = 200"))
        await user.should_see("Nothing so far")
        await user.should_see("more than 0 calls")
        for _ in range(3):
            UserInteraction(user, user.find("Look further →").elements, "further").trigger("click")
            await asyncio.sleep(0.2)
        await user.should_see("question 5<")


async def test_a_reviewer_scores_those_chosen_or_all_that_match(loop: Loop) -> None:
    add(loop, 1, 2, 3)
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs")
        await user.should_not_see("Make a data set of these")
        await user.should_see("All that match:")
        with user:
            (table,) = (one for one in elements(user) if "calls" in one.classes)
        UserInteraction(user, {table}, "table").trigger("change", ["log_0002", True])
        await user.should_see("1 chosen:")
        press(user, "Rate bad")
        await user.should_see("1 call scored: rating bad")
        (score,) = loop.store.scores.of(["log_0002"])["log_0002"]
        assert (score.name, score.value, score.user, score.source) == ("rating", "bad", "Ann", "annotator")
        await user.should_see("All that match:")
        press(user, "Rate good")
        await user.should_see("Rate all 3 calls good?")
        press(user, "Rate them good")
        await user.should_see("3 calls scored: rating good")
        press(user, "Other score")
        await user.should_see("All 3 calls get this score.")
        press(user, "Score them")
        await user.should_see("Give the score a name and a value.")
        with user:
            field(user, "Score").value, field(user, "Its value").value = "tone", "0.5"
        press(user, "Score them")
        await user.should_see("3 calls scored: tone 0.5")
        assert all(len(said) >= 2 for said in loop.store.scores.of(["log_0001", "log_0003"]).values())


async def test_who_may_no_longer_score_does_not(loop: Loop) -> None:
    add(loop, 1)
    async with user_of(loop, "reviewer") as user:
        await user.open("/logs")
        for person in loop.store.people.all():
            loop.store.people.set_role(person.id, "viewer")
        await user.should_see("1 call")
        press(user, "Rate good")
        await user.should_see("Rate all 1 call good?")
        press(user, "Rate them good")
        await user.should_see("That takes the role reviewer")
        assert loop.store.scores.logs() == 0


async def test_a_data_set_is_made_of_them(loop: Loop) -> None:
    add(loop, *range(1, 31))
    loop.store.scores.add([a_score(f"log_{n:04d}", "good" if n < 25 else "bad") for n in range(1, 29)])
    async with user_of(loop) as user:
        await user.open("/logs")
        press(user, "Make a data set of these")
        await user.should_see("24 calls")
        await user.should_see("30 calls that match")
        await user.should_see("Few: 50 to 100")
        press(user, "Make the data set")
        await user.should_see("a dataset's name is")
        with user:
            (tick,) = (one for one in elements(user) if isinstance(one, ui.checkbox))
            tick.value = False
        await user.should_see("4 calls are rated bad")
        await user.should_see("What nobody has rated is taken as it is.")
        with user:
            tick.value = True
            field(user, "Name of the data set").value = "desk"
        press(user, "Make the data set")
        while not loop.store.datasets.all():
            await asyncio.sleep(0.05)
        made = loop.store.datasets.named("desk")
        assert sum(made.counts.values()) == 24 and "score.rating in (good" in made.origin


async def test_bars_are_filters_to_their_time(loop: Loop) -> None:
    add(loop, *range(1, 31), model="a")
    async with user_of(loop) as user:
        await user.open("/logs?where=" + quote("model = a and created_at > 10"))
        await user.should_see("Calls over time: 30 from 1970-01-01")
        with user:
            (bars,) = (one for one in elements(user) if "times" in one.classes)
        chosen = "model = a and created_at >= 1970-01-01T00:16:45Z and created_at < 1970-01-01T00:16:46Z"
        assert chosen.replace("<", "&lt;").replace(">", "&gt;") in str(bars.props.get("innerHTML"))
        UserInteraction(user, {bars}, "bars").trigger("click", chosen)
        await user.should_see("1 call")
        assert field(user, "Filter").value == chosen
