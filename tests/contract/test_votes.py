"""Votes and the list of evaluations, on SQLite and on PostgreSQL."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.sample_report import sample_report
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.types import Evaluation
from tuneloop.vote_types import Vote


def evaluation(store: Store, **more: object) -> Evaluation:
    made = Evaluation(**{"id": new_id("eval_"), "created_at": 1.0, "dataset_id": "d", "report": {}, **more})  # type: ignore[arg-type]
    store.evaluations.add(made)
    return made


def a_vote(of: Evaluation, number: int, choice: int) -> Vote:
    return Vote(
        id=f"vote_{number}",
        created_at=float(number),
        evaluation_id=of.id,
        row_id=f"row-{number}",
        user="ann",
        first="one",
        second="other",
        choice=choice,
    )


def test_a_list_of_evaluations_leaves_the_rows_of_their_reports_out(store: Store) -> None:
    report = sample_report(20)
    made = [evaluation(store, report=report), evaluation(store, status="running"), evaluation(store, report=report)]
    found, more = store.evaluations.newest(limit=2)
    assert ([one.id for one in found], more) == ([made[2].id, made[1].id], True)
    assert found[0].report["verdict"] == report["verdict"] and found[0].report["rows"] == 20
    assert [arm["name"] for arm in found[0].report["arms"]][0] == "as logged"
    assert "results" not in found[0].report and found[1] == made[1]
    assert store.evaluations.states(limit=2) == [(made[2].id, "completed", {}), (made[1].id, "running", {})]
    assert store.evaluations.states(limit=9, after=made[1].id) == [(made[0].id, "completed", {})]
    behind, more = store.evaluations.newest(limit=2, after=made[1].id)
    assert ([one.id for one in behind], more) == ([made[0].id], False)


def test_a_vote_is_kept_until_its_evaluation_goes(store: Store) -> None:
    one, other = evaluation(store), evaluation(store)
    votes = [a_vote(one, number, number % 3) for number in range(3)]
    for vote in [*votes, a_vote(other, 9, 1)]:
        store.evaluations.votes.cast(vote)
    store.evaluations.votes.cast(replace(votes[0], choice=2))
    assert [vote.choice for vote in store.evaluations.votes.of(one.id)] == [2, 1, 2]
    page, more = store.evaluations.votes.listed(one.id, limit=2)
    assert ([vote.id for vote in page], more) == (["vote_2", "vote_1"], True)
    assert store.evaluations.votes.listed(one.id, limit=2, after="vote_1")[0][0].better == "other"
    store.evaluations.remove(one.id)
    assert store.evaluations.votes.of(one.id) == [] and len(store.evaluations.votes.of(other.id)) == 1
