"""Logs with a place in a trace, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.contract.test_store import a_log, a_score
from tuneloop import filters
from tuneloop.importers.otlp.logs import merged, to_log
from tuneloop.importers.otlp.spans import Span
from tuneloop.store import Store
from tuneloop.types import Log


def a_span(number: int, **attributes: object) -> Log:
    span = Span(
        trace_id=f"{number % 2 + 1:032x}",
        span_id=f"{number + 1:016x}",
        parent_id=None if number < 2 else f"{number - 1:016x}",
        name="chat",
        start=1000.0 + number,
        end=1001.0 + number,
        attributes={"gen_ai.operation.name": "chat", **attributes},
    )
    return to_log(span, lambda provider, model, prompt, completion: None)


def found(store: Store, where: str) -> list[str | None]:
    return [log.span_id for log in store.logs.each(filters.parse(where))]


def test_spans_are_found_by_their_place(store: Store) -> None:
    store.logs.add([a_log(0)])
    store.logs.put([a_span(number) for number in range(4)], merged)
    assert found(store, f"trace_id = {1:032x}") == [f"{3:016x}", f"{1:016x}"]
    assert found(store, f"parent_id = {1:016x}") == [f"{3:016x}"]
    assert found(store, f"span_id = {2:016x} and span_name = chat and span_kind = llm") == [f"{2:016x}"]
    assert found(store, "trace is null") == [None]
    assert found(store, "source = trace and parent_span_id is null") == [f"{2:016x}", f"{1:016x}"]


def test_many_at_once_and_again(store: Store) -> None:
    spans = [a_span(number, first=True) for number in range(1200)]
    store.logs.put(spans, merged)
    store.scores.add([a_score(spans[0].id, True)])
    store.logs.put([a_span(number, second=True, metadata='{"ticket": "7"}') for number in range(600)], merged)
    assert store.logs.count(filters.All(())) == 1200
    assert store.logs.get(spans[0].id).attributes == {
        "gen_ai.operation.name": "chat",
        "first": True,
        "second": True,
        "metadata": '{"ticket": "7"}',
    }
    assert store.logs.count(filters.parse("metadata.ticket = 7")) == 600
    assert len(store.scores.of([spans[0].id])[spans[0].id]) == 1


def test_one_that_cannot_be_written_leaves_none(store: Store) -> None:
    wrong = replace(a_span(1), status=2**80)
    with pytest.raises(Exception, match=r"(?i)int|range"):
        store.logs.put([a_span(0), wrong], merged)
    assert store.logs.count(filters.All(())) == 0


def test_attributes_come_back_as_they_were(store: Store) -> None:
    attributes = {"text": "é", "deep": [{"a": "\0"}], "whole": 2**53, "none": None, "truth": False}
    made = a_span(0, **attributes)
    store.logs.put([made], merged)
    assert store.logs.get(made.id) == made
    cleaned = a_span(1, **{"nul\0": "a\0b"})
    store.logs.put([cleaned], merged)
    assert {"nul\ufffd": "a\ufffdb"}.items() <= (store.logs.get(cleaned.id).attributes or {}).items()


def test_the_same_spans_from_two_senders_at_once(store: Store) -> None:
    spans = [a_span(number) for number in range(200)]
    with ThreadPoolExecutor(4) as senders:
        for sending in [senders.submit(store.logs.put, spans, merged) for _ in range(4)]:
            sending.result()
    assert store.logs.count(filters.All(())) == 200


def test_a_trace_is_found_at_once_among_many_logs(sqlite_store: Store) -> None:
    sqlite_store.logs.add([a_log(number) for number in range(5000)])
    sqlite_store.logs.put([a_span(number) for number in range(10)], merged)
    with sqlite_store.database.read() as connection:
        for column in ("trace_id", "span_id", "parent_id"):
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN SELECT id FROM logs WHERE {column} = 'x'").all()
            assert "USING INDEX logs_" in str(plan)
