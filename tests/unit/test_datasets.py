"""Datasets: every matched log is accounted for, corrections replace answers, equal inputs never straddle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuneloop import datasets
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.importers import formats
from tuneloop.store import Store


def add(store: Store, *rows: dict[str, Any]) -> None:
    imported = [formats.to_log(row, source="import", cost=lambda *_: None) for row in rows]
    store.logs.add([one.log for one in imported])
    store.scores.add([score for one in imported for score in one.scores])


def call(number: int, answer: Any = "yes", question: str | None = None, **fields: Any) -> dict[str, Any]:
    asked = question or f"question {number}"
    return {"id": str(number), "messages": [{"role": "user", "content": asked}], "completion": answer, **fields}


def test_every_log_is_accounted_for(sqlite_store: Store) -> None:
    add(
        sqlite_store,
        *(call(i, feedback={"rating": "good"}) for i in range(12)),
        call(20, "no", feedback={"rating": "bad", "correction": "yes"}),
        call(21, "yes", question="question 3"),
        call(22, ""),
        call(23, " null "),
        call(24, {"content": "cut o", "finish_reason": "length"}),
        call(25, None, error="boom"),
        call(26, "", feedback={"correction": "a correction mends an empty answer"}),
        call(27, None, status=499, error="client disconnected"),
    )
    made = datasets.create(sqlite_store, "all")
    assert made.account == {
        "matched": 20,
        "kept": 12,
        "corrected": 2,
        "duplicate": 1,
        "unusable: the answer is empty": 2,
        "unusable: the answer was cut off (length)": 1,
        "unusable: the call failed": 1,
        "unusable: the client hung up": 1,
    }
    answers = {row.messages[-1]["content"] for row in sqlite_store.datasets.rows(made.id)}
    assert answers == {"yes", "a correction mends an empty answer"}
    assert datasets.describe(made.account).startswith("20 matched: ")
    assert "50 to 100 good ones" in datasets.warnings(made)[0]


def test_a_filter_picks(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i, feedback={"rating": "good" if i % 2 else "bad"}) for i in range(30)))
    made = datasets.create(sqlite_store, "good", where="score.rating = good")
    assert sum(made.counts.values()) == made.account["matched"] == 15


def test_the_same_rows_are_the_same_dataset(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i) for i in range(20)))
    made = datasets.create(sqlite_store, "a")
    assert datasets.create(sqlite_store, "a", where="status = 200").id == made.id
    assert datasets.create(sqlite_store, "b").id != made.id
    add(sqlite_store, call(99))
    newer = datasets.create(sqlite_store, "a")
    assert newer.id != made.id
    assert sqlite_store.datasets.named("a").id == newer.id
    kept = {row.id: row.split for row in sqlite_store.datasets.rows(newer.id)}
    assert all(kept[row.id] == row.split for row in sqlite_store.datasets.rows(made.id))


def test_equal_inputs_never_straddle(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i, answer=f"answer {i}", question=f"question {i % 40}") for i in range(400)))
    made = datasets.create(sqlite_store, "a", shares=(0.6, 0.2, 0.2))
    splits: dict[str, set[str]] = {}
    for row in sqlite_store.datasets.rows(made.id):
        splits.setdefault(row.messages[0]["content"], set()).add(row.split)
    assert len(splits) == 40 and all(len(found) == 1 for found in splits.values())
    assert set(made.counts) == {"train", "validation", "test"}


def test_fewer_than_ten_is_an_error_that_says_where_they_went(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i) for i in range(9)), call(10, ""))
    with pytest.raises(
        InvalidInput, match=r"only 9 examples.*at least 10.*10 matched: .*1 unusable: the answer is empty"
    ):
        datasets.create(sqlite_store, "few")
    with pytest.raises(InvalidInput, match="0 matched"):
        datasets.create(sqlite_store, "few", where="model = nothing")
    assert sqlite_store.datasets.all() == []


def test_rows_go_in_and_out_unchanged(sqlite_store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    rows: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": f"{i} ☃"}, {"role": "assistant", "content": "x", "weight": 0}]}
        for i in range(10)
    ]
    rows.append({"messages": rows[0]["messages"], "tools": tools, "parallel_tool_calls": False})
    rows.append({"messages": rows[1]["messages"], "weight": 0.5})
    made = datasets.import_rows(sqlite_store, "in", rows, origin="file")
    lines = list(datasets.export(sqlite_store.datasets.rows(made.id)))
    assert [json.loads(line) for line in lines] == rows
    again = datasets.import_rows(sqlite_store, "in", map(json.loads, lines), origin="other")
    assert again.id == made.id


def test_tools_and_tool_calls_survive(sqlite_store: Store) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    answer = {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None, "annotations": []}
    request = {
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    response = {"choices": [{"message": answer, "finish_reason": "tool_calls"}]}
    add(sqlite_store, *({"request": {**request, "user": str(i)}, "response": response, "id": str(i)} for i in range(2)))
    add(sqlite_store, *(call(i) for i in range(10)))
    made = datasets.create(sqlite_store, "tools")
    assert made.account["duplicate"] == 1
    (row,) = [row for row in sqlite_store.datasets.rows(made.id) if row.tools]
    assert row.messages[-1] == {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize("text", ["80/20", "a/b/c", "0/50/50", "80/10/20", "-10/60/50"])
def test_wrong_shares(text: str) -> None:
    with pytest.raises(InvalidInput, match="three percentages"):
        datasets.parse_shares(text)


@pytest.mark.parametrize("name", ["", " x", "a/b", "x" * 201])
def test_wrong_names(sqlite_store: Store, name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        datasets.create(sqlite_store, name)


def test_a_missing_dataset(sqlite_store: Store) -> None:
    with pytest.raises(NotFound, match="there is none yet"):
        sqlite_store.datasets.named("x")
