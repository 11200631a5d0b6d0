"""Paging: whoever follows `after` sees every item once, whatever is added and deleted meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.errors import NotFound
from tuneloop.store import Blobs, Database, Store, schema
from tuneloop.store.ids import new_id
from tuneloop.types import File, Model


def a_file(created_at: float, purpose: str = "batch") -> File:
    return File(id=new_id("file-"), created_at=created_at, filename="x", purpose=purpose, bytes=0, sha256="0")


def pages(store: Store, limit: int, ascending: bool, purpose: str | None = None) -> list[str]:
    """Ids as a client collects them."""
    conditions = [schema.files.c.purpose == purpose] if purpose else []
    seen: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        found, more = store.files.page(*conditions, limit=limit, after=after, ascending=ascending)
        assert len(found) == limit or not more
        seen += [file.id for file in found]
    return seen


@given(
    moments=st.lists(st.sampled_from([1.0, 2.0, 1e9]), min_size=1, max_size=12),
    limit=st.integers(1, 5),
    ascending=st.booleans(),
    deleted=st.sets(st.integers(0, 11)),
    deleted_at=st.integers(0, 4),
    added=st.integers(0, 3),
)
@settings(max_examples=150, deadline=None)
def test_no_item_is_lost_or_seen_twice(
    moments: list[float], limit: int, ascending: bool, deleted: set[int], deleted_at: int, added: int
) -> None:
    store = Store(Database("sqlite://"), Blobs("memory://paging"))
    files = [a_file(moment) for moment in moments]
    store.files.add(*files)
    gone = {files[i].id for i in deleted if i < len(files)}
    late = [a_file(1.0) for _ in range(added)]
    seen: list[str] = []
    more, page = True, 0
    while more:
        found, more = store.files.page(limit=limit, after=seen[-1] if seen else None, ascending=ascending)
        seen += [file.id for file in found]
        if page == deleted_at:  # in the middle of it, also the item the client stands at
            for file_id in gone:
                store.files.remove(file_id)
            store.files.add(*late)
        page += 1
    store.close()
    stayed = [file.id for file in files if file.id not in gone]
    assert len(seen) == len(set(seen))
    assert set(stayed) <= set(seen), "what was there all the time is seen"
    order = {file.id: number for number, file in enumerate(files + late)}
    assert seen == sorted(seen, key=lambda file_id: order[file_id], reverse=not ascending)


def test_a_client_that_deletes_what_it_has_seen(store: Store) -> None:
    files = [a_file(1.0) for _ in range(7)]
    store.files.add(*files)
    deleted = []
    found, more = store.files.page(limit=3)
    while found:
        for file in found:
            store.files.remove(file.id)
            deleted.append(file.id)
        found, more = store.files.page(limit=3, after=deleted[-1])
    assert deleted == [file.id for file in reversed(files)] and not more


def test_filtered_pages(store: Store) -> None:
    files = [a_file(1.0, "vision" if number % 3 else "batch") for number in range(250)]
    store.files.add(*files)
    wanted = [file.id for file in files if file.purpose == "batch"]
    assert pages(store, 10, ascending=True, purpose="batch") == wanted
    seen: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        found, more = store.files.page(limit=20, after=after, keep=lambda file: file.purpose == "batch")
        seen += [file.id for file in found]
        assert len(found) == 20 or not more
    assert seen == wanted[::-1]


def test_ids_that_tell_no_time_go_by_their_moment(store: Store) -> None:
    moments = {"b": 1.0, "c": 2.0, "a": 2.0}
    for name, moment in moments.items():
        store.models.add(Model(id=name, created_at=moment, kind="tuned", base="x", owned_by="me"))
    assert [model.id for model in store.models.all()] == ["c", "a", "b"]
    assert [model.id for model in store.models.page(limit=5, after="c")[0]] == ["a", "b"]
    store.models.remove("c")
    with pytest.raises(NotFound) as caught:
        store.models.page(limit=5, after="c")
    assert caught.value.param == "after"


def test_an_after_that_never_was(store: Store) -> None:
    for after in ("file-none", "x", "0" * 21, "\U0001f600"):
        with pytest.raises(NotFound) as caught:
            store.files.page(limit=1, after=after)
        assert caught.value.param == "after"


def test_another_order(store: Store) -> None:
    files = [a_file(float(number % 3)) for number in range(6)]
    store.files.add(*files)
    by = (schema.files.c.created_at, schema.files.c.id)
    first, more = store.files.page(limit=4, order=by, ascending=True)
    rest, end = store.files.page(limit=4, order=by, ascending=True, after=first[-1].id)
    assert (more, end) == (True, False)
    assert first + rest == sorted(files, key=lambda file: (file.created_at, file.id))
