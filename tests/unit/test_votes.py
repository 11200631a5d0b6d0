"""Blind votes: what is asked, what is kept, what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.api_server import Running, running
from tests.unit.sample_report import sample_report
from tuneloop import votes
from tuneloop.cli.commands import app
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.store import Blobs, Database, Store
from tuneloop.store.ids import new_id
from tuneloop.types import Evaluation

CANDIDATE = "tuned, short prompt"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(Database(f"sqlite:///{tmp_path / 'tuneloop.db'}"), Blobs(str(tmp_path / "files")))
    yield made
    made.close()


def evaluation(store: Store, rows: int = 60, **more: Any) -> Evaluation:
    report = {} if "status" in more else sample_report(rows)
    made = Evaluation(id=more.pop("id", new_id("eval_")), created_at=1.0, dataset_id="d", report=report, **more)
    store.evaluations.add(made)
    return made


def better(ballot: votes.Ballot, right: bool) -> int:
    """The choice for the answer that is right, or for the other one; the same for everybody where none is right."""
    best = min(ballot.answers, key=lambda text: (text != ballot.reference, text))
    return 1 + ((ballot.answers[1] == best) == right)


def vote(store: Store, of: Evaluation, user: str, *, right: bool = True, most: int = 1000) -> int:
    pair, count = votes.pair(of), 0
    while count < most and (ballot := votes.ballot(store, of, pair, user)):
        request = {"row_id": ballot.row_id, "choice": better(ballot, right), "user": user}
        votes.cast(store, of, pair, request)
        count += 1
    return count


def test_only_rows_that_differ_are_asked_and_each_once(store: Store) -> None:
    of = evaluation(store)
    pair = votes.pair(of)
    assert pair == ("as logged", CANDIDATE)
    first = votes.ballot(store, of, pair, "ann")
    assert first is not None and first.done == 0 and len(set(first.answers)) == 2
    assert vote(store, of, "ann") == first.total < 60
    assert votes.ballot(store, of, pair, "ann") is None
    again = votes.ballot(store, of, pair, "bob")
    assert again is not None and again.done == 0
    assert votes.ballot(store, of, votes.pair(of, "prompted", "tuned"), "ann") is not None


def test_the_order_is_by_chance_and_the_same_after_a_reload(store: Store) -> None:
    of = evaluation(store, 240, id="eval_1")
    pair = votes.pair(of)
    rows = {row["id"]: row for row in of.report["results"]}
    first: Counter[bool] = Counter()
    after = None
    for _ in range(60):
        ballot = votes.ballot(store, of, pair, "ann", after=after)
        assert ballot is not None and ballot == votes.ballot(store, of, pair, "ann", row=ballot.row_id)
        first[ballot.answers[0] == rows[ballot.row_id]["answers"][CANDIDATE]["text"]] += 1
        after = ballot.row_id
    assert 15 < first[True] < 45


def test_a_row_that_was_skipped_comes_again(store: Store) -> None:
    of = evaluation(store)
    pair = votes.pair(of)
    first = votes.ballot(store, of, pair, "ann")
    assert first is not None
    second = votes.ballot(store, of, pair, "ann", after=first.row_id)
    assert second is not None and second.row_id != first.row_id
    vote(store, of, "ann", most=first.total - 1)
    left = votes.ballot(store, of, pair, "ann", after=first.row_id)
    assert left is not None and left.done == left.total - 1
    assert votes.ballot(store, of, pair, "ann", after=left.row_id) == left


def test_what_the_votes_say(store: Store) -> None:
    of = evaluation(store, 240)
    assert votes.results(store, of) == []
    count = vote(store, of, "ann")
    found = votes.results(store, of)
    scores = [
        (row["answers"][CANDIDATE]["scores"]["label_accuracy"], row["answers"]["as logged"]["scores"]["label_accuracy"])
        for row in of.report["results"]
    ]
    one = found[0]
    assert (one.pair, one.votes, one.rows, one.ties) == (votes.pair(of), count, count, 0)
    assert one.wins >= sum(new > old for new, old in scores) and one.losses >= sum(new < old for new, old in scores)
    assert one.wins + one.losses == count
    assert one.share.low < one.wins / count == one.share.mean < one.share.high
    assert f"{CANDIDATE} better in {one.wins} of {count} votes" in one.sentence

    vote(store, of, "bob", right=False)  # who is of the other mind on every row
    both = votes.results(store, of)[0]
    assert (both.votes, both.rows) == (2 * count, count) and "no difference that these votes can show" in both.sentence


def test_no_difference_is_half_a_win_and_the_last_vote_holds(store: Store) -> None:
    of = evaluation(store)
    pair = votes.pair(of)
    ballot = votes.ballot(store, of, pair, "ann")
    assert ballot is not None
    votes.cast(store, of, pair, {"row_id": ballot.row_id, "choice": 1, "user": "ann"})
    votes.cast(store, of, pair, {"row_id": ballot.row_id, "choice": 0, "user": "ann"})
    found = votes.results(store, of)[0]
    assert (found.votes, found.ties, found.share.mean) == (1, 1, 0.5) and "neither in 1" in found.sentence


def test_what_cannot_be_voted_on(store: Store) -> None:
    of = evaluation(store)
    with pytest.raises(InvalidInput, match="it is running"):
        votes.pair(evaluation(store, status="running"))
    with pytest.raises(InvalidInput) as wrong:
        votes.pair(of, candidate="nobody")
    assert wrong.value.param == "candidate" and "as logged" in wrong.value.message
    with pytest.raises(InvalidInput, match="two arms"):
        votes.pair(of, "tuned", "tuned")
    pair = votes.pair(of)
    with pytest.raises(NotFound):
        votes.ballot(store, of, pair, "ann", row="no such row")
    for request, param in (
        ({}, "row_id"),
        ({"row_id": "row-0", "user": "ann"}, "choice"),
        ({"row_id": "row-0", "choice": 3, "user": "ann"}, "choice"),
        ({"row_id": "row-0", "choice": True, "user": "ann"}, "choice"),
        ({"row_id": "row-0", "choice": 1}, "user"),
        ({"row_id": "row-0", "choice": 1, "user": "a" * 99}, "user"),
        ({"row_id": "nowhere", "choice": 1, "user": "ann"}, "row_id"),
    ):
        with pytest.raises((InvalidInput, NotFound)) as said:
            votes.cast(store, of, pair, request)
        assert said.value.param == param, request


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as made:
        yield made


def test_over_http(here: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    of = evaluation(here.loop.store)
    path = f"/v1/evaluations/{of.id}"
    asked = here.client.get(f"{path}/ballot", params={"user": "ann"}).json()
    ballot = asked["ballot"]
    assert asked["object"] == "ballot" and set(ballot) == {
        "row_id", "question", "reference", "answers", "done", "total"
    }  # fmt: skip
    assert not {arm["name"] for arm in of.report["arms"]} & {*map(str, ballot.values())}  # whose they are is not said
    given = here.client.post(f"{path}/votes", json={"row_id": ballot["row_id"], "choice": 2, "user": "ann"}).json()
    assert given["object"] == "vote" and given["better"] == given["second"] != given["first"]
    listed = here.client.get(f"{path}/votes").json()
    assert [one["id"] for one in listed["data"]] == [given["id"]] and listed["has_more"] is False
    result = listed["results"][0]
    assert (result["baseline"], result["candidate"], result["votes"]) == ("as logged", CANDIDATE, 1)
    assert result["share"]["low"] <= result["share"]["mean"] <= result["share"]["high"] and result["sentence"]
    behind = here.client.get(f"{path}/ballot", params={"user": "ann", "after": ballot["row_id"]}).json()["ballot"]
    assert behind["done"] == 1 and behind["row_id"] != ballot["row_id"]
    others = {"row_id": behind["row_id"], "choice": 0, "user": "ann", "baseline": "prompted", "candidate": "tuned"}
    assert here.client.post(f"{path}/votes", json=others).status_code in (200, 404)

    for answer, param in (
        (here.client.get(f"{path}/ballot"), "user"),
        (here.client.get(f"{path}/ballot", params={"user": "ann", "candidate": "x"}), "candidate"),
        (here.client.post(f"{path}/votes", json={"row_id": 3}), "row_id"),
        (here.client.post(f"{path}/votes", json={"candidate": 3}), "candidate"),
    ):
        assert answer.status_code == 400 and answer.json()["error"]["param"] == param
    assert here.client.get("/v1/evaluations/eval_x/votes").status_code == 404

    monkeypatch.setenv("TUNELOOP_HOME", str(here.loop.settings.home))
    assert "Blind, people find" in CliRunner().invoke(app, ["evaluations", "votes", of.id]).output
    empty = evaluation(here.loop.store)
    assert "nobody has voted" in CliRunner().invoke(app, ["evaluations", "votes", empty.id]).output


def test_the_report_as_json(here: Running) -> None:
    of = evaluation(here.loop.store)
    found = here.client.get(f"/v1/evaluations/{of.id}/report", params={"form": "json"})
    assert found.headers["content-type"] == "application/json" and found.json() == {"id": of.id, **of.report}
    page = here.client.get(f"/v1/evaluations/{of.id}/report")
    assert page.headers["content-type"] == "text/html; charset=utf-8" and page.text.startswith("<!DOCTYPE html>")
    markdown = here.client.get(f"/v1/evaluations/{of.id}/report", params={"form": "markdown"})
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8" and markdown.text.startswith("# ")
