"""What is next to a log, what is still to be rated, and what is taken back, on both databases."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tuneloop import datasets, filters, grading, lineage, scores
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.graders.human import Question
from tuneloop.importers import formats
from tuneloop.store import Store, log_order
from tuneloop.store.ids import new_id
from tuneloop.types import FineTuningJob

ALL = filters.parse("")


def log(store: Store, number: int, **more: Any) -> str:
    row = {
        "messages": [{"role": "user", "content": f"question {number}"}],
        "completion": f"answer {number}",
        "created_at": 1000.0 + number,
        **more,
    }
    made = formats.to_log(row, source="api", cost=lambda *_: None, log_id=f"log_{number}").log
    store.logs.add([made])
    return made.id


def test_what_is_next_to_a_log_in_its_list(store: Store) -> None:
    for number, model in enumerate(("a", "b", "a", "a")):
        log(store, number, model=model, latency_ms=10 * (4 - number))
    assert log_order.beside(store.logs, "log_2", ALL, "created_at") == ("log_1", "log_3")
    assert log_order.beside(store.logs, "log_2", filters.parse("model = a"), "created_at") == ("log_0", "log_3")
    assert log_order.beside(store.logs, "log_1", filters.parse("model = a"), "created_at") == ("log_0", "log_2")
    assert log_order.beside(store.logs, "log_2", ALL, "latency_ms") == ("log_3", "log_1")
    assert log_order.beside(store.logs, "log_0", filters.parse("model = b"), "created_at") == (None, "log_1")
    assert log_order.beside(store.logs, "log_2", ALL, "cost") == (None, None)  # it has none


def test_what_nobody_had_rated_stays_in_the_row_until_one_sits_down_again(store: Store) -> None:
    for number in range(5):
        log(store, number)
    log(store, 5, status=500, error="broken")
    log(store, 6, completion="")
    log(store, 7, created_at=time.time() + 1000)
    scores.give(store, {"log_id": "log_4", "value": "good"})
    scores.give(store, {"log_id": "log_3", "name": "topic", "value": "bikes"})
    scores.give(store, {"log_id": "log_2", "correction": "better"})
    began = time.time()

    def row(moment: float, where: str = "", limit: int = 10) -> log_order.Row:
        return log_order.unrated(store.logs, filters.parse(where), until=moment, limit=limit)

    assert row(began) == (["log_3", "log_1", "log_0"], False)
    time.sleep(0.01)
    for log_id in ("log_1", "log_4"):
        scores.give(store, {"log_id": log_id, "value": "bad"})
    scores.give(store, {"log_id": "log_0", "correction": "better"})
    assert row(began) == (["log_3", "log_1", "log_0"], False)
    assert row(began, "model = nothing") == ([], False)
    assert row(began, limit=2) == (["log_3", "log_1"], True)
    assert row(time.time() + 1) == (["log_3"], False)
    everything = log_order.answered(store.logs, ALL, until=began, limit=10)
    assert everything == (["log_4", "log_3", "log_2", "log_1", "log_0"], False)


def test_a_score_is_taken_back_and_the_one_before_it_counts(store: Store) -> None:
    log_id = log(store, 0)
    for value in ("good", "bad"):
        last = scores.give(store, {"log_id": log_id, "value": value})
    assert store.logs.count(filters.parse("score.rating = bad")) == 1
    assert scores.take_back(store, last.id) == last
    assert store.logs.count(filters.parse("score.rating = good")) == 1
    for gone in (last.id, "no such\0score"):
        with pytest.raises(NotFound):
            scores.take_back(store, gone)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("False", False), ("0.5", 0.5), ("3", 3.0), ("nan", "nan"), ("good", "good")]
)
def test_what_a_typed_text_is_as_a_value(text: str, value: Any) -> None:
    said = scores.value_of(text)
    assert said == value and type(said) is type(value)


def test_an_answer_to_a_grader_is_taken_back(store: Store) -> None:
    log_id = log(store, 0)
    grading.add(
        store, "tone", {"type": "human", "question": "Nice?", "labels": ["yes", "no"], "passing_labels": ["yes"]}
    )
    ask = grading.people(store)
    texts = [("first", log_id), ("second", None)]
    asked = [Question("tone", "Nice?", [text], ["yes", "no"], ["yes"], 0.0, 1.0, subject) for text, subject in texts]
    assert [ask(question) for question in asked] == [None, None]
    first, second = grading.sitting(store, "tone", time.time(), limit=10)
    grading.answer(store, "tone", {"id": first.id, "value": "yes", "user": "Ann"})
    assert store.scores.of([log_id])[log_id][0].value == 1.0 and ask(asked[0]) == 1.0
    assert [one.id for one in grading.sitting(store, "tone", time.time() + 1, limit=10)] == [second.id]
    assert [one.id for one in grading.sitting(store, "tone", time.time() - 60, limit=10)] == [first.id, second.id]
    assert grading.take_back(store, "tone", first.id) == first
    assert store.scores.of([log_id])[log_id] == [] and ask(asked[0]) is None
    for name, review in (("tone", "nothing"), ("other", first.id)):
        with pytest.raises(NotFound):
            grading.take_back(store, name, review)
    with pytest.raises(InvalidInput):
        grading.answer(store, "tone", {"id": first.id, "value": "perhaps"})


def test_where_a_log_went(store: Store) -> None:
    for number in range(12):
        log(store, number)
        scores.give(store, {"log_id": f"log_{number}", "value": "good" if number else "bad"})
    desk = datasets.create(store, "desk", where="score.rating = good")
    for fine_tuned in (None, "ft:small:desk"):
        job = FineTuningJob(
            id=new_id("ftjob-"), created_at=1.0, model="m", base="m", training_file="f", dataset_id=desk.id
        )
        store.jobs.add(job)
        store.jobs.change(job.id, fine_tuned_model=fine_tuned)
    went = lineage.of_log(store, "log_1")
    assert [(one.id, split) for one, split in went.datasets][0][0] == desk.id
    assert [job.fine_tuned_model for job in went.jobs] == ["ft:small:desk", None]
    assert lineage.of_log(store, "log_0").datasets == [] and lineage.of_log(store, "log_0").jobs == []
    with pytest.raises(NotFound):
        lineage.of_log(store, "nothing")
