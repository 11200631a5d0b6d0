"""The pages of comparisons: what was compared, a new one, the verdict, a blind vote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction

from tests.unit.page_user import user_of
from tests.unit.sample_report import sample_report
from tests.unit.test_evaluating import rows
from tuneloop import datasets, evaluation_requests, votes
from tuneloop.loop import Loop
from tuneloop.settings import Settings, Upstream
from tuneloop.store.ids import new_id
from tuneloop.types import Evaluation

CANDIDATE = "tuned, short prompt"
MODEL = "ft:smollm2-135m-instruct:local:desk:5e6f7a8b"


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    upstream = Upstream(name="up", base_url="http://127.0.0.1:1/v1", models=("big", "small"))
    url = f"sqlite:///{tmp_path / 'tuneloop.db'}"
    made = Loop(settings=Settings(home=tmp_path, database_url=url, upstreams=(upstream,)))
    yield made
    made.store.close()


def desk(loop: Loop) -> str:
    datasets.import_rows(
        loop.store, "desk", rows(0, 20), origin="", shares=(1.0, 0.0, 0.0), held_out=rows(100, 12)
    )  # fmt: skip
    return loop.store.datasets.named("desk").id


def evaluation(loop: Loop, status: Any = "completed", **more: Any) -> Evaluation:
    report = sample_report(60) if status == "completed" else {}
    fields = {"id": new_id("eval_"), "created_at": 1.0, "dataset_id": "ds_1", "report": report, "status": status}
    made = Evaluation(**{**fields, **more})
    loop.store.evaluations.add(made)
    return made


def asked(**more: Any) -> dict[str, Any]:
    return evaluation_requests.whole({"dataset": "desk", "models": ["small"], "base": "big", **more})


def button(user: User, said: str) -> ui.element:
    """The button that says this."""
    for element in user.find(kind=TextElement, content=said).elements:
        if element.tag == "button" and element.text == said:
            return element
    raise AssertionError(f"there is no button {said!r}")


def press(user: User, said: str) -> None:
    UserInteraction(user, {button(user, said)}, said).trigger("click")


def href(user: User, said: str) -> str:
    return str(next(iter(user.find(kind=ui.link, content=said).elements)).props["href"])


async def refused(user: User, path: str, status: int, why: str) -> None:
    answer = await user.http_client.get(path)
    assert answer.status_code == status and why in answer.text


# the list


async def test_where_nothing_is_compared_the_way_out_is_shown(loop: Loop) -> None:
    async with user_of(loop) as user:
        await user.open("/compare")
        await user.should_see("Nothing is compared yet")
        assert href(user, "New comparison") == "/compare?new=1"
        await user.open("/compare?new=1")
        await user.should_see("There is no data set to compare on yet")


async def test_the_list_says_what_was_found_and_how_far_others_are(loop: Loop) -> None:
    evaluation(loop)
    evaluation(loop, "failed", asked=asked(), error={"message": "no such <model>"})
    evaluation(loop, "cancelled", asked=asked())
    going = evaluation(loop, "running", dataset_id=desk(loop), progress={"arms": {"prompted": [3, 12]}})
    async with user_of(loop, "viewer") as user:
        await user.open("/compare")
        for said in ("yes</span>", "at least as good as gpt-4o-mini", "no such &lt;model&gt;", "It was cancelled"):
            await user.should_see(said)
        await user.should_see("3 of 12 answers")
        await user.should_see('href="/datasets/desk"')
        await user.should_not_see("New comparison")
        loop.store.evaluations.change(going.id, progress={"arms": {"prompted": [9, 12]}})
        await user.should_see("9 of 12 answers", retries=60)  # the page looks again by itself
        loop.store.evaluations.change(going.id, status="failed", error={"message": "The key was refused."})
        await user.should_see("The key was refused.", retries=60)
        await user.open("/compare?new=1")
        await user.should_not_see("Models to compare")


async def test_a_long_list_is_turned(loop: Loop) -> None:
    for number in range(22):
        evaluation(loop, "failed", error={"message": f"reason {number}."})
    async with user_of(loop) as user:
        await user.open("/compare")
        await user.should_not_see("reason 1.")
        await user.open(href(user, "Older"))
        await user.should_see("reason 1.")
        await user.should_not_see("reason 2.")
        assert href(user, "Newest") == "/compare"


# a new comparison


async def test_a_comparison_is_asked_for_as_the_form_is_filled_in(loop: Loop) -> None:
    desk(loop)
    async with user_of(loop) as user:
        await user.open("/compare?dataset=desk&model=small,big%2Bsupport")
        await user.should_see("4 arms on 12 rows: 48 answers.")
        user.find(kind=ui.select, content="small").elements.pop().value = ["small"]
        user.find("Margin, points").elements.pop().value = 5  # type: ignore[attr-defined]
        user.find("Rows at most").elements.pop().value = 6  # type: ignore[attr-defined]
        await user.should_see("3 arms on 6 rows: 18 answers.")
        press(user, "Compare")
        await user.should_see("Waiting for its turn", retries=60)
    (made,) = loop.store.evaluations.waiting()
    assert made.asked is not None and made.status == "queued"
    chosen = {name: made.asked[name] for name in ("dataset", "models", "shots", "rows", "margin", "tune", "graders")}
    assert chosen == {
        "dataset": "desk", "models": ["small"], "shots": 5, "rows": 6, "margin": 0.05, "tune": None, "graders": []
    }  # fmt: skip


async def test_a_whole_verdict_is_asked_for(loop: Loop) -> None:
    desk(loop)
    async with user_of(loop) as user:
        await user.open("/compare?new=tune")
        await user.should_see("Short prompt")
        user.find("Epochs").elements.pop().value = 2  # type: ignore[attr-defined]
        press(user, "Compare")
        await user.should_see("Waiting for its turn", retries=60)
        await user.should_see("yes, then compared")
    (made,) = loop.store.evaluations.waiting()
    assert made.asked is not None and made.asked["tune"]["hyperparameters"] == {"n_epochs": 2}
    assert made.asked["tune"]["curve"] is True and made.asked["tune"]["short"] is None


async def test_what_cannot_be_compared_is_said(loop: Loop) -> None:
    desk(loop)
    async with user_of(loop) as user:
        await user.open("/compare?dataset=desk&model=nobody")
        press(user, "Compare")
        await user.should_see("`nobody` does not exist", retries=40)
    assert loop.store.evaluations.waiting() == []


# one that has no verdict


async def test_one_under_way_shows_what_is_done_and_can_be_cancelled(loop: Loop) -> None:
    progress = {"doing": "Tuning: tuned", "arms": {"prompted": [3, 12], "small": [0, 12]}}
    made = evaluation(loop, "running", dataset_id=desk(loop), asked=asked(max_dollars=2, rows=12), progress=progress)
    async with user_of(loop) as user:
        await user.open(f"/compare/{made.id}")
        for said in ("Comparison on desk", "Tuning: tuned", "3 of 12", "the first 12 of test", "$2.00"):
            await user.should_see(said)
        loop.store.evaluations.change(made.id, progress={**progress, "doing": "Comparing all"})
        await user.should_see("Comparing all", retries=40)
        press(user, "Cancel")
        await user.should_see("Cancel this comparison?")
        press(user, "Cancel it")
        await user.should_see("It was cancelled", retries=40)
    assert loop.store.evaluations.get(made.id).status == "cancelled"


async def test_one_of_a_command_cannot_be_cancelled_here(loop: Loop) -> None:
    made = evaluation(loop, "running", progress={})
    async with user_of(loop) as user:
        await user.open(f"/compare/{made.id}")
        await user.should_see("A command compares these")
        await user.should_not_see("Cancel")


async def test_one_that_failed_says_why_and_is_asked_for_again(loop: Loop) -> None:
    desk(loop)
    made = evaluation(loop, "failed", asked=asked(), error={"message": "The key was refused."})
    async with user_of(loop) as user:
        await user.open(f"/compare/{made.id}")
        await user.should_see("The key was refused.")
        assert href(user, "Change something first") == "/compare?new=1&dataset=desk&model=small"
        press(user, "Compare again")
        await user.should_see("Waiting for its turn", retries=60)
    assert [one.asked for one in loop.store.evaluations.waiting()] == [made.asked]


async def test_one_that_is_not_there(loop: Loop) -> None:
    async with user_of(loop) as user:
        for path in ("/compare/eval_x", "/compare/eval_x/vote"):
            await refused(user, path, 404, "no evaluation")


# the verdict


async def test_the_verdict_with_all_that_it_rests_on(loop: Loop) -> None:
    made = evaluation(loop)
    async with user_of(loop) as user:
        await user.open(f"/compare/{made.id}")
        for said in (
            "Yes: the tuned model with the short prompt",
            "In one group of tickets it is worse: exchange_rate.",
            "Saved in a month",
            "95 %: 1,216 ms",
            "Quality against cost",
            'class="name candidate"',
            "The candidate is worse in 1 group: exchange_rate.",
            "500 more rows would likely give 3 points more",
            "It has not forgotten what it could",
            "It has paid for itself with call 149",
            "no answer within 30 s",
            "row-9001: no assistant message at its end",
            "How it was measured",
        ):
            await user.should_see(said)
        assert href(user, "Deploy") == f"/models?deploy={MODEL.replace(':', '%3A')}&evaluation={made.id}"
        assert href(user, "Vote blind") == f"/compare/{made.id}/vote"


async def test_only_a_yes_is_deployed_and_only_by_an_owner(loop: Loop) -> None:
    yes, report = evaluation(loop), sample_report(40)
    report["verdict"] |= {"answer": "needs_more", "rows_needed": 350, "sentence": "Not yet.", "reasons": []}
    unsure = evaluation(loop, report=report)
    empty = evaluation(loop, report={})
    async with user_of(loop) as user:
        await user.open(f"/compare/{unsure.id}")
        await user.should_see("About 350 more rows would settle it.")
        await user.should_not_see("Deploy")
        await user.open(f"/compare/{empty.id}")
        await user.should_see("The report holds no verdict")
    async with user_of(loop, "reviewer") as user:
        await user.open(f"/compare/{yes.id}")
        await user.should_see("Vote blind")
        for said in ("Deploy", "Delete", "Compare again"):
            await user.should_not_see(said)


async def test_the_report_is_exported(loop: Loop) -> None:
    made = evaluation(loop)
    async with user_of(loop, "viewer") as user:
        await user.open(f"/compare/{made.id}")
        for said, begins in (("Page", "<!DOCTYPE html>"), ("Markdown", "# Support desk"), ("JSON", "{\n")):
            press(user, said)
            answer = await user.download.next()
            assert answer.text.startswith(begins)


async def test_rows_are_shown_as_the_url_says(loop: Loop) -> None:
    made = evaluation(loop, report=sample_report(120))
    async with user_of(loop, "viewer") as user:
        await user.open(f"/compare/{made.id}?show=all&group=label%3Dcard_lost")
        await user.should_see("1 to 10 of 20 rows")
        await user.should_see(">row-1<")
        await user.should_not_see(">row-61<")
        press(user, "Next")
        await user.should_see("11 to 20 of 20 rows")
        await user.should_see(">row-61<")
        user.find("Search").type("no such text")
        await user.should_see("There are no such rows")
        await user.open(f"/compare/{made.id}?show=failed")
        await user.should_see("failed: timeout: no answer within 30 s")
        await user.open(f"/compare/{made.id}?show=nonsense&page=x")
        await user.should_see("1 to 10 of ")
        await user.open(f"/compare/{made.id}?show=all&page=9999&group=metadata.channel%3Dfax")
        await user.should_see("111 to 120 of 120 rows")


async def test_one_is_deleted(loop: Loop) -> None:
    made = evaluation(loop)
    async with user_of(loop) as user:
        await user.open(f"/compare/{made.id}")
        press(user, "Delete")
        await user.should_see("Delete this comparison?")
        press(user, "Delete it")
        await user.should_see("Nothing is compared yet", retries=40)
    assert loop.store.evaluations.find(made.id) is None


# votes


async def test_a_vote_is_blind_kept_and_counted(loop: Loop) -> None:
    made = evaluation(loop, report=sample_report(12))
    total = votes.ballot(loop.store, made, votes.pair(made), "Ann")
    assert total is not None
    async with user_of(loop, "reviewer") as user:
        await user.open(f"/compare/{made.id}/vote")
        await user.should_see("Which answer is better?")
        await user.should_see(f"0 of {total.total} voted on")
        press(user, "Skip")
        await user.should_see("Back", retries=20)
        press(user, "Back")
        await user.should_not_see("Back", retries=20)
        press(user, "No difference")
        for done in range(1, total.total):
            await user.should_see(f"{done} of {total.total} voted on", retries=20)
            press(user, "2 is better")
        await user.should_see("That was all", retries=20)
        await user.should_see("Blind, people find")
        await user.open(f"/compare/{made.id}")
        await user.should_see("Blind, people find")
    kept = loop.store.evaluations.votes.of(made.id)
    assert (
        len(kept) == total.total
        and {vote.user for vote in kept} == {"Ann"}
        and {vote.choice for vote in kept} == {0, 2}
    )


async def test_who_may_not_vote_and_what_cannot_be_voted_on(loop: Loop) -> None:
    made, going = evaluation(loop), evaluation(loop, "running")
    async with user_of(loop, "viewer") as user:
        await refused(user, f"/compare/{made.id}/vote", 403, "That takes the role reviewer")
    async with user_of(loop, "reviewer") as user:
        await refused(user, f"/compare/{going.id}/vote", 400, "it is running")
        await refused(user, f"/compare/{made.id}/vote?candidate=nobody", 400, "must be one of the arms")
