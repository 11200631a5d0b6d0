"""What callers want kept: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tuneloop.errors import NotFound
from tuneloop.store import Store
from tuneloop.store.ids import new_id
from tuneloop.types import Log

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"


def a_call(response_id: str, asked: Mapping[str, Any] | None = None, **fields: Any) -> Log:
    asked = {"store": True} if asked is None else asked
    defaults: dict[str, Any] = {
        "id": new_id("log_"),
        "created_at": 1000.0,
        "source": "gateway",
        "endpoint": CHAT,
        "model": "m",
        "status": 200,
        "response_id": response_id,
        "finish_reason": "stop",
        "request": json.dumps(asked).encode(),
    }
    return Log(**{**defaults, **fields})


def _ids(store: Store, **wanted: Any) -> list[str]:
    return [item.id for item, _ in store.stored.page("chat", **{"limit": 100, **wanted})[0]]


def test_only_what_is_to_be_kept_is(store: Store) -> None:
    store.logs.add(
        [
            a_call("kept"),
            a_call("not", {"store": False}),
            a_call("null", {"store": None}),
            a_call("absent", {}),
            a_call("said", {"messages": [{"role": "user", "content": 'is "store": true?'}]}),
            a_call("nested", {"metadata": {"store": True}}),
            a_call("broken", request=b'{"store": true'),
            a_call("failed", status=502),
            a_call("cut", error="the stream broke"),
            a_call("imported", source="import"),
            a_call("elsewhere", endpoint="/v1/completions"),
            a_call(""),
            a_call("resp", endpoint=RESPONSES),
            a_call("background", endpoint=RESPONSES, finish_reason=None),
        ]
    )
    assert _ids(store) == ["kept"]
    assert store.stored.find("response", "resp") and not store.stored.find("response", "background")


def test_responses_are_kept_unless_asked_otherwise(store: Store) -> None:
    asked: dict[str, dict[str, Any]] = {
        "default": {},
        "null": {"store": None},
        "yes": {"store": True},
        "no": {"store": False},
    }
    store.logs.add([a_call(name, request, endpoint=RESPONSES) for name, request in asked.items()])
    assert [name for name in asked if store.stored.find("response", name)] == ["default", "null", "yes"]
    assert store.stored.find("chat", "yes") is None


@pytest.mark.parametrize("ascending", [True, False])
def test_a_page_after_another_loses_and_repeats_nothing(store: Store, ascending: bool) -> None:
    for number in range(7):  # the later ones began earlier
        store.logs.add([a_call(f"c{number}", created_at=1000.0 - number)])
    seen: list[str] = []
    more, after = True, None
    while more:
        found, more = store.stored.page("chat", limit=3, after=after, ascending=ascending)
        seen += [item.id for item, _ in found]
        after = seen[-1]
        store.stored.remove("chat", after)  # the cursor may be gone when it is used
    expected = [f"c{number}" for number in range(7)]
    assert seen == (expected if ascending else expected[::-1])
    with pytest.raises(NotFound):
        store.stored.page("chat", limit=3, after="never")


def test_all_pairs_of_metadata_and_the_model_must_match(store: Store) -> None:
    store.logs.add([a_call(f"c{n}", metadata={"n": str(n), "team": "a" if n % 2 else "b"}) for n in range(6)])
    store.logs.add([a_call("other", model="m2", metadata={"n": "1", "team": "a"})])
    assert _ids(store, metadata={"team": "a"}) == ["c1", "c3", "c5", "other"]
    assert _ids(store, metadata={"team": "a", "n": "1"}) == ["c1", "other"]
    assert _ids(store, metadata={"team": "a", "n": "1"}, model="m2") == ["other"]
    assert _ids(store, metadata={"team": "b", "n": "1"}) == []
    assert _ids(store, metadata={"n": "team"}) == [] == _ids(store, model="nobody")
    assert _ids(store, model="m", limit=2, ascending=False) == ["c5", "c4"]


def test_long_and_strange_metadata_is_found(store: Store) -> None:
    strange = {"k" * 5000: "v" * 5000, "": "", "a[b]": "=&"}
    store.logs.add([a_call("long", metadata=strange)])
    for key, value in strange.items():
        assert _ids(store, metadata={key: value}) == ["long"]


def test_other_metadata_takes_the_place_of_what_there_was(store: Store) -> None:
    store.logs.add([a_call("c1", metadata={"a": "1", "b": "2"}), a_call("c2", metadata={"a": "1"})])
    assert store.stored.change("chat", "c1", {"a": "1", "c": "3"})
    assert _ids(store, metadata={"a": "1"}) == ["c1", "c2"]
    assert _ids(store, metadata={"b": "2"}) == [] and _ids(store, metadata={"c": "3"}) == ["c1"]
    found = store.stored.find("chat", "c1")
    assert found is not None and found[0].metadata == {"a": "1", "c": "3"}
    assert found[1].metadata == {"a": "1", "b": "2"}, "the Log says what was asked"
    assert not store.stored.change("chat", "c3", {})


def test_what_is_deleted_is_found_nowhere_but_its_log_is(store: Store) -> None:
    store.logs.add([a_call("c1", metadata={"a": "1"}), a_call("c2", metadata={"a": "1"})])
    assert store.stored.remove("chat", "c1") and not store.stored.remove("chat", "c1")
    assert store.stored.find("chat", "c1") is None and not store.stored.change("chat", "c1", {})
    assert _ids(store) == _ids(store, metadata={"a": "1"}) == _ids(store, model="m") == ["c2"]
    assert _ids(store, after="c1") == ["c2"], "a cursor that is gone has its place still"
    assert store.logs.get("c1").response_id == "c1"


def test_of_two_with_one_id_the_later_is_meant(store: Store) -> None:
    store.logs.add([a_call("same", metadata={"n": "1"})])
    store.logs.add([a_call("same", metadata={"n": "2"}), a_call("c2")])
    found = store.stored.find("chat", "same")
    assert found is not None and found[0].metadata == {"n": "2"}
    assert _ids(store, metadata={"n": "1"}) == _ids(store, metadata={"n": "2"}) == ["same"]
    assert _ids(store, after="same") == ["c2"], "paging ends"
    assert store.stored.remove("chat", "same")
    assert _ids(store) == ["c2"]


def test_a_chain_of_responses(store: Store) -> None:
    for number, previous in enumerate([None, "r0", "r1", "r2"]):
        asked = {"previous_response_id": previous} if previous else {}
        store.logs.add([a_call(f"r{number}", asked, endpoint=RESPONSES), a_call(f"c{number}")])
    assert [item.id for item, _ in store.stored.chain("r3")] == ["r0", "r1", "r2", "r3"]
    assert [item.id for item, _ in store.stored.chain("r0")] == ["r0"]
    assert store.stored.chain("c0") == [] == store.stored.chain("nobody")
    store.stored.remove("response", "r1")
    chain = store.stored.chain("r3")
    assert [item.id for item, _ in chain] == ["r2", "r3"] and chain[0][0].previous == "r1"
    store.logs.add([a_call("loop", {"previous_response_id": "loop"}, endpoint=RESPONSES)])
    assert [item.id for item, _ in store.stored.chain("loop")] == ["loop"]
