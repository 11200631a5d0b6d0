"""One contract for looking at a dataset's rows, on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from tuneloop import datasets
from tuneloop.store import Store
from tuneloop.store.datasets import Sought
from tuneloop.types import Dataset

CALL = {"id": "1", "type": "function", "function": {"name": "book_room", "arguments": '{"city": "Köln"}'}}


def row(question: str, answer: Any = "yes") -> dict[str, Any]:
    said = answer if isinstance(answer, dict) else {"role": "assistant", "content": answer}
    return {"messages": [{"role": "user", "content": question}, said]}


def make(store: Store, name: str, *rows: dict[str, Any]) -> Dataset:
    return datasets.import_rows(store, name, rows, origin="a test")


@pytest.fixture
def made(store: Store) -> Dataset:
    rows = [row(f"question {number}") for number in range(1, 240)]
    return make(store, "many", *rows, row('Größe "10%"\n'), row("a room", {"role": "assistant", "tool_calls": [CALL]}))


def test_rows_are_paged_both_ways(store: Store, made: Dataset) -> None:
    look = store.datasets.look
    rows, more = look(made.id, Sought(), limit=100)
    assert [one.number for one in rows] == list(range(1, 101)) and more
    rows, more = look(made.id, Sought(), limit=100, after=200)
    assert [one.number for one in rows] == list(range(201, 242)) and not more
    assert rows[0].example.messages[0]["content"] == "question 201"
    rows, more = look(made.id, Sought(), limit=50, before=101)
    assert [one.number for one in rows] == list(range(51, 101)) and more
    rows, more = look(made.id, Sought(), limit=50, before=11)
    assert [one.number for one in rows] == list(range(1, 11)) and not more


def test_rows_are_found_by_split_and_by_what_they_say(store: Store, made: Dataset) -> None:
    def found(text: str) -> list[int]:
        rows, more = store.datasets.look(made.id, Sought(text=text), limit=300)
        assert not more
        return [one.number for one in rows]

    assert found("QUESTION 23") == [23, *range(230, 240)]
    assert found("größe") == found('"10%"') == found("GRÖSSE".replace("SS", "ß")) == [240]
    assert found("book_room") == found('"city": "Köln"') == [241]
    assert found("assistant") == found("role") == found("content") == [], "the names of fields are nobody's words"
    assert found("%") == [240] and found("question_1") == []
    test, _ = store.datasets.look(made.id, Sought(split="test", text="question"), limit=300)
    assert {one.example.split for one in test} == {"test"} and len(test) in (
        made.counts["test"] - 1,
        made.counts["test"],
    )
    assert store.datasets.count(made.id, Sought(split="test")) == made.counts["test"]
    rows, more = store.datasets.look(made.id, Sought(text="question 23"), limit=5)
    assert len(rows) == 5 and more


def test_rows_by_their_numbers(store: Store, made: Dataset) -> None:
    found = store.datasets.numbered(made.id, [241, 3, 0, 500])
    assert [one.number for one in found] == [3, 241]
    assert found[0].example.messages[0]["content"] == "question 3"


def test_versions_and_what_only_one_of_them_has(store: Store, made: Dataset) -> None:
    other = make(store, "many", *(row(f"question {number}") for number in range(100, 260)))
    assert [one.id for one in store.datasets.versions("many")] == [other.id, made.id]
    assert store.datasets.versions("none") == []
    assert store.datasets.count(made.id, Sought(without=other.id)) == 101
    assert store.datasets.count(other.id, Sought(without=made.id)) == 20
    rows, _ = store.datasets.look(other.id, Sought(without=made.id), limit=100)
    assert [one.example.messages[0]["content"] for one in rows] == [f"question {number}" for number in range(240, 260)]
    assert store.datasets.tuned() == {}


def test_what_people_said_is_counted(store: Store, made: Dataset) -> None:
    assert store.datasets.said(made.id) == (241, 0, 0, 0)
    pairs = [
        {
            "input": {"messages": [{"role": "user", "content": f"question {number}"}]},
            "preferred_output": [{"role": "assistant", "content": "yes"}],
            "non_preferred_output": [{"role": "assistant", "content": "no"}],
        }
        for number in range(10)
    ]
    assert store.datasets.said(make(store, "pairs", *pairs).id) == (10, 0, 10, 10)
    thumbs = [{**row(f"question {number}"), "label": number < 7} for number in range(10)]
    assert store.datasets.said(make(store, "thumbs", *thumbs).id) == (10, 3, 0, 10)
