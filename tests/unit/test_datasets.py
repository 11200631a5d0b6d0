"""Datasets: every matched log is accounted for, corrections replace answers, equal inputs never straddle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tuneloop import datasets, examples, filters, scores
from tuneloop.errors import InvalidInput, NotFound
from tuneloop.importers import formats
from tuneloop.importers.rows import training_rows
from tuneloop.protocols import Method
from tuneloop.store import Store
from tuneloop.types import Dataset, Example, Log


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


def said(content: str) -> dict[str, str]:
    return {"role": "assistant", "content": content}


def lines_of(store: Store, dataset: Dataset, method: Method) -> list[Any]:
    return [json.loads(line) for line in datasets.export(store.datasets.rows(dataset.id), method)]


def rated(store: Store) -> Dataset:
    """Ten answers rated good, three bad, two corrected (one of them was cut off), one that nobody rated."""
    add(
        store,
        *(call(i, feedback={"rating": "good"}) for i in range(10)),
        *(call(i, "no", feedback={"rating": bad}) for i, bad in ((10, "bad"), (11, False), (12, "Down"))),
        call(20, "wrong", feedback={"rating": "bad", "correction": "right"}),
        call(21, {"content": "cut o", "finish_reason": "length"}, feedback={"correction": "whole"}),
        call(30),
    )
    return datasets.create(store, "rated")


def test_one_dataset_serves_every_method(store: Store) -> None:
    made = rated(store)
    assert made.account == {"matched": 16, "kept": 11, "corrected": 2, "rated bad": 3}
    assert "3 rows are rated bad: only the method kto learns from them" in datasets.warnings(made)
    imitated = [row["messages"][-1]["content"] for row in lines_of(store, made, "supervised")]
    assert sorted(imitated) == ["right", "whole", *["yes"] * 11]
    asked = {"messages": [{"role": "user", "content": "question 20"}]}
    pair = {"input": asked, "preferred_output": [said("right")], "non_preferred_output": [said("wrong")]}
    assert lines_of(store, made, "dpo") == [pair]
    labels = [(row["messages"][-1]["content"], row["label"]) for row in lines_of(store, made, "kto")]
    assert sorted(labels) == sorted(
        [("yes", True)] * 10 + [("no", False)] * 3 + [("right", True), ("wrong", False), ("whole", True)]
    )


def test_a_prompt_comes_with_the_answer_to_compare_with(sqlite_store: Store) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    asked = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    add(
        sqlite_store,
        *(call(i, f"answer {i}") for i in range(10)),
        call(11, {"content": None, "tool_calls": [asked]}, tools=tools),
        call(20, feedback={"rating": "bad"}),
    )
    rows = lines_of(sqlite_store, datasets.create(sqlite_store, "c"), "reinforcement")
    assert len(rows) == 11
    plain, *_ = [row for row in rows if "tools" not in row]
    number = plain["messages"][0]["content"].removeprefix("question ")
    assert plain == {"messages": [{"role": "user", "content": f"question {number}"}], "reference": f"answer {number}"}
    (calling,) = [row for row in rows if "tools" in row]
    assert (calling["reference"], calling["reference_tools"], calling["tools"]) == ("", [asked], tools)


def test_prompts_that_are_no_questions_are_left_out() -> None:
    result = [{"role": "user", "content": "q"}, {"role": "tool", "tool_call_id": "c", "content": "4"}]
    example = Example(id="e", messages=[*result, {"role": "assistant", "content": "Four."}])
    assert datasets.training_rows(example, "reinforcement") == []


@pytest.mark.parametrize("method", ["supervised", "dpo", "kto"])
def test_what_a_dataset_gives_a_method_can_be_trained_on(sqlite_store: Store, tmp_path: Path, method: Method) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    add(
        sqlite_store,
        *(call(i, f"wrong {i}", feedback={"correction": f"right {i}"}, tools=tools) for i in range(12)),
        call(20, feedback={"rating": "bad"}),
    )
    made = datasets.create(sqlite_store, "c")
    file = tmp_path / "train.jsonl"
    file.write_bytes(b"".join(datasets.export(sqlite_store.datasets.rows(made.id), method)))
    assert examples.check(file, method, "training_file", file.name) == {"supervised": 12, "dpo": 12, "kto": 25}[method]
    assert b'"tools":[{"type":"function"' in file.read_bytes()
    # The same rows, read back in, are the same rows.
    again = datasets.import_rows(sqlite_store, "c", training_rows(file), origin="file")
    assert list(datasets.export(sqlite_store.datasets.rows(again.id), method)) == file.read_bytes().splitlines(True)


def test_what_was_said_of_equal_rows_comes_together(sqlite_store: Store) -> None:
    add(
        sqlite_store,
        *(call(i) for i in range(10)),
        call(20, "right", question="same"),
        call(21, "wrong", question="same", feedback={"correction": "right"}),
        call(22, "worse", question="same", feedback={"correction": "right"}),
        call(23, "worse", question="same", feedback={"correction": "right"}),
    )
    made = datasets.create(sqlite_store, "same")
    assert made.account["duplicate"] == 3
    (row,) = [row for row in sqlite_store.datasets.rows(made.id) if row.messages[0]["content"] == "same"]
    assert row.label is True
    assert sorted(answer["content"] for answer in row.rejected) == ["worse", "wrong"]
    assert len(lines_of(sqlite_store, made, "dpo")) == 2


def test_later_feedback_makes_another_dataset_and_leaves_the_first_as_it_was(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i) for i in range(12)))
    first = datasets.create(sqlite_store, "a")
    log = next(sqlite_store.datasets.rows(first.id)).log_id
    scores.give(sqlite_store, {"log_id": log, "value": "bad"})
    second = datasets.create(sqlite_store, "a")
    assert second.id != first.id
    assert [row.label for row in sqlite_store.datasets.rows(first.id)] == [None] * 12
    assert sorted(str(row.label) for row in sqlite_store.datasets.rows(second.id)) == ["False"] + ["None"] * 11


@pytest.mark.parametrize(
    ("rating", "label"),
    [("good", True), ("Up ", True), (True, True), (1, True), ("bad", False), (False, False), (0, False), (-1, False)]
    + [(4, None), (0.7, None), ("meh", None)],
)
def test_ratings_that_are_thumbs(sqlite_store: Store, rating: Any, label: bool | None) -> None:
    add(sqlite_store, *(call(i, feedback={"rating": rating}) for i in range(10)))
    made = datasets.create(sqlite_store, "r")
    assert {row.label for row in sqlite_store.datasets.rows(made.id)} == {label}


def test_the_latest_rating_counts(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i, feedback={"rating": "bad"}) for i in range(10)))
    for log in list(sqlite_store.logs.each(filters.parse(""))):
        scores.give(sqlite_store, {"log_id": log.id, "value": "good"})
        scores.give(sqlite_store, {"log_id": log.id, "comment": "no value"})
        scores.give(sqlite_store, {"log_id": log.id, "name": "speed", "value": "bad"})
    assert datasets.create(sqlite_store, "r").account == {"matched": 10, "kept": 10}


def test_too_little_for_a_method_is_said_with_the_way_out(sqlite_store: Store) -> None:
    made = rated(sqlite_store)

    def refusal(method: Method) -> str:
        with pytest.raises(InvalidInput) as error:
            datasets.check_enough(made, sqlite_store.datasets.rows(made.id), method)
        assert error.value.code == "invalid_n_examples"
        return error.value.message

    datasets.check_enough(made, sqlite_store.datasets.rows(made.id), "supervised")
    datasets.check_enough(made, sqlite_store.datasets.rows(made.id), "kto")
    said_of_dpo = refusal("dpo")
    assert "'rated' has among its train rows 1 with a correction" in said_of_dpo and "--correction" in said_of_dpo
    add(sqlite_store, *(call(i, feedback={"rating": "good"}, question=f"new {i}") for i in range(50, 62)))
    made = datasets.create(sqlite_store, "good", where="input ~ new")
    datasets.check_enough(made, sqlite_store.datasets.rows(made.id), "reinforcement")
    assert "12 good and 0 bad answers" in refusal("kto") and "score.rating in (good, bad)" in refusal("kto")


def test_an_answer_that_says_nothing_is_left_out(sqlite_store: Store) -> None:
    add(sqlite_store, *(call(i) for i in range(10)), call(11, {"content": None, "refusal": "I cannot help."}))
    assert datasets.create(sqlite_store, "a").account["unusable: the answer is empty"] == 1


def test_responses_are_learnt_from_as_chats_are(sqlite_store: Store) -> None:
    def log(number: int, **asked: Any) -> Log:
        said = [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}]
        call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
        response = {"object": "response", "output": [call] if "tools" in asked else said}
        return Log(
            id=f"log_{number}",
            created_at=1.0,
            source="gateway",
            endpoint=asked.pop("endpoint", "/v1/responses"),
            model="m",
            status=200,
            output_text="yes",
            request=json.dumps({"model": "m", "input": f"question {number}", **asked}).encode(),
            response=json.dumps(response).encode(),
        )

    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
    sqlite_store.logs.add(
        [
            *(log(number, instructions="Be brief.") for number in range(10)),
            log(10, tools=[tool]),
            log(11, previous_response_id="resp_1"),
            log(12, endpoint="/v1/embeddings"),
        ]
    )
    made = datasets.create(sqlite_store, "responses")
    assert made.account == {
        "matched": 13,
        "kept": 11,
        "unusable: it goes on from an earlier response": 1,
        "unusable: not a chat call": 1,
    }
    rows = {row.log_id: row for row in sqlite_store.datasets.rows(made.id)}
    assert rows["log_3"].messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "question 3"},
        {"role": "assistant", "content": "yes"},
    ]
    function = {"name": "f", "parameters": {"type": "object"}, "strict": True}
    assert rows["log_10"].tools == [{"type": "function", "function": function}]
    assert rows["log_10"].messages[-1]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_the_account_is_kept_with_it(store: Store) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "yes"}]} for n in range(12)
    ]
    found = [datasets.candidate(row, outcome="fixed") for row in rows] + [datasets.Candidate(None, "dropped: empty")]
    made = datasets.write(store, "mended", found, origin="test", report=iter([b"one\n", b"two\n"]))
    assert made.account == {"matched": 13, "fixed": 12, "dropped: empty": 1}
    assert made.sha256 is not None and b"".join(store.datasets.blobs.read(made.sha256)) == b"one\ntwo\n"
    assert store.datasets.get(made.id) == made
    store.datasets.release(made.sha256)
    assert b"".join(store.datasets.blobs.read(made.sha256)) == b"one\ntwo\n"
    plain = datasets.write(store, "plain", found, origin="test")
    assert plain.sha256 is None and datasets.describe(made.account).startswith("13 matched: 12 fixed")
