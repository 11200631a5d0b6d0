"""Calls made elsewhere: four shapes of rows, files with faults, imports repeated."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tuneloop import filters
from tuneloop.errors import InvalidInput
from tuneloop.importers import bulk, formats
from tuneloop.importers.rows import training_rows
from tuneloop.store import Store
from tuneloop.types import Log

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi?"}]}]
CALL = {
    "id": "row-1",
    "created_at": "2026-01-02T03:04:05Z",
    "model": "gpt-4o-mini",
    "messages": ASKED,
    "completion": {"role": "assistant", "content": "Hello.", "finish_reason": "stop"},
    "latency_ms": 395,
    "usage": {"prompt_tokens": 36, "completion_tokens": 4},
    "feedback": {"rating": "good", "correction": "Hello!", "comment": "nice"},
    "user": "ann",
}


def no_cost(_provider: str | None, _model: str, _prompt: int, _completion: int) -> float | None:
    return 0.5


def to_log(row: dict[str, Any]) -> formats.Imported:
    return formats.to_log(row, source="import", cost=no_cost)


def test_a_logged_call() -> None:
    log, (score,) = to_log(CALL)
    assert (log.input_text, log.output_text, log.finish_reason) == ("Hi?", "Hello.", "stop")
    assert (log.prompt_tokens, log.completion_tokens, log.cost, log.latency_ms) == (36, 4, 0.5, 395)
    assert (log.user, log.metadata, log.created_at) == ("ann", {"id": "row-1"}, 1767323045.0)
    assert json.loads(log.request) == {"model": "gpt-4o-mini", "messages": ASKED}
    assert json.loads(log.response)["choices"][0]["message"] == {"role": "assistant", "content": "Hello."}
    assert (score.name, score.value, score.comment) == ("rating", "good", "nice")
    assert score.correction == {"role": "assistant", "content": "Hello!"}


def test_over_the_wire() -> None:
    response = {
        "id": "chatcmpl-1",
        "choices": [{"message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    }
    request = {"model": "m", "messages": ASKED, "temperature": 0.5, "metadata": {"team": "a"}, "anything": [1]}
    log, scores = to_log({"request": request, "response": response, "scores": {"stars": 4, "ok": True}})
    assert (json.loads(log.request), json.loads(log.response)) == (request, response)
    assert (log.model, log.response_id, log.metadata) == ("m", "chatcmpl-1", {"team": "a"})
    assert [(s.name, s.value) for s in scores] == [("stars", 4), ("ok", True)]


def test_a_stored_completion() -> None:
    choices = [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "length"}]
    row = {
        "id": "chatcmpl-2",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "gpt-4o",
        "choices": choices,
    }
    log, _ = to_log({**row, "messages": {"object": "list", "data": ASKED}, "metadata": {"k": "v"}})
    assert (log.response_id, log.created_at, log.model, log.finish_reason) == ("chatcmpl-2", 1.7e9, "gpt-4o", "length")
    assert log.metadata == {"k": "v", "id": "chatcmpl-2"}
    assert json.loads(log.request)["messages"] == ASKED


def test_a_training_row() -> None:
    log, _ = to_log({"messages": [*ASKED, {"role": "assistant", "content": "Hello."}], "tools": [{"type": "function"}]})
    assert json.loads(log.request) == {"model": "unknown", "messages": ASKED, "tools": [{"type": "function"}]}
    assert log.output_text == "Hello."


def test_a_failed_call_and_a_tool_call() -> None:
    log, _ = to_log({"messages": ASKED, "completion": None, "error": {"code": 429}})
    assert (log.status, log.error, log.output_text) == (500, '{"code":429}', "")
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    log, _ = to_log({"messages": ASKED, "completion": {"content": None, "tool_calls": calls}})
    assert json.loads(log.output_text) == calls


def test_what_is_said_afterwards_does_not_make_it_another_call() -> None:
    first, later = to_log({**CALL, "feedback": None}), to_log(CALL)
    assert first.log.id == later.log.id
    assert to_log({**CALL, "latency_ms": 1}).log.id != first.log.id


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"completion": 3}, "completion"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"latency_ms": "fast"}, "latency_ms"),
        ({"status": "ok"}, "status"),
        ({"model": 3}, "model"),
        ({"scores": 3}, "scores"),
        ({"feedback": {"rating": []}}, "scores[0].value"),
        ({"feedback": {"rating": "good", "correction": 3}}, "scores[0].correction"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        to_log({**CALL, **change})
    assert caught.value.param == param


def everything(store: Store) -> list[Log]:
    return list(store.logs.each(filters.parse("")))


def test_a_file_with_faults(sqlite_store: Store, tmp_path: Path) -> None:
    good = json.dumps(CALL).encode()
    lines = [
        b"\xef\xbb\xbf" + good,
        b"",
        b"{broken",
        b"[1]",
        good,
        b'{"messages": []}',
        json.dumps({**CALL, "id": "b"}).encode(),
    ]
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"\r\n".join(lines))
    report = bulk.import_file(sqlite_store, file, cost=no_cost, metadata={"from": "test"})
    assert (report.read, report.added, report.known, report.bad, report.scores) == (6, 2, 1, 3, 2)
    assert [number for number, _ in report.errors] == [3, 4, 6]
    assert {log.metadata["id"] for log in everything(sqlite_store)} == {"row-1", "b"}
    assert all(log.metadata["from"] == "test" for log in everything(sqlite_store))


def test_a_second_import_adds_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl.gz"
    rows = [json.dumps({**CALL, "id": str(i)}) for i in range(2500)]
    file.write_bytes(gzip.compress("\n".join(rows).encode()))
    seen: list[int] = []
    first = bulk.import_file(sqlite_store, file, cost=no_cost, progress=lambda report: seen.append(report.read))
    again = bulk.import_file(sqlite_store, file, cost=no_cost)
    assert (first.added, first.scores, seen) == (2500, 2500, [1000, 2000, 2500])
    assert (again.added, again.known, again.scores) == (0, 2500, 0)


def test_a_file_that_is_none(sqlite_store: Store, tmp_path: Path) -> None:
    for path, message in ((tmp_path / "no.jsonl", "there is no file"), (tmp_path, "is a folder")):
        with pytest.raises(InvalidInput, match=message):
            bulk.import_file(sqlite_store, path, cost=no_cost)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(json.dumps(CALL).encode() * 100)[:-20])
    with pytest.raises(InvalidInput, match="cannot be read to the end"):
        bulk.import_file(sqlite_store, cut, cost=no_cost)


def test_training_rows(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    row = {"messages": [*ASKED, {"role": "assistant", "content": "x"}], "parallel_tool_calls": False}
    file.write_text("\n".join([json.dumps(row)] * 12))
    assert list(training_rows(file)) == [row] * 12
    file.write_text("\n".join([json.dumps(row)] * 3 + ['{"messages": []}']))
    with pytest.raises(InvalidInput, match="Example 4"):
        training_rows(file)


def test_training_rows_of_every_format(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    answer = {"role": "assistant", "content": "4"}
    completion = {"prompt": "2+2", "completion": "4"}
    file.write_text("\n".join([json.dumps(completion)] * 10))
    assert list(training_rows(file)) == [{"messages": [{"role": "user", "content": "2+2"}, answer]}] * 10
    outputs = {"preferred_output": [answer], "non_preferred_output": [answer]}
    pair: dict[str, Any] = {"input": {"messages": ASKED}, **outputs}
    older = {key.replace("_output", "_completion"): value for key, value in pair.items()}
    file.write_text("\n".join([json.dumps(pair), *[json.dumps(older)] * 9]))
    assert list(training_rows(file)) == [pair] * 10
    thumbs = [{"messages": [*ASKED, answer], "label": i > 5} for i in range(10)]
    file.write_text("\n".join(map(json.dumps, thumbs)))
    assert list(training_rows(file)) == thumbs
    file.write_text("\n".join(map(json.dumps, [*thumbs, pair])))
    with pytest.raises(InvalidInput, match="Example 11 is such a row"):
        training_rows(file)
